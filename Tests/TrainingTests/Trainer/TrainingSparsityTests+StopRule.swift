// Probes of a sparse run, the rule that backs off, and how a resumed run goes on with both.

import ContextualSparsity
import FileSupport
import Models
import TensorEngine
import Testing

@testable import Training

extension `Contextual sparsity in training` {
    /// Makes sparsity of `auto`, at step 50 of 100, each of whose probes is beyond the bound.
    private func beyondItsBound() throws -> (SparsityProgress) throws -> TrainingSparsity {
        var section = SparsitySection()
        section.probeInterval = 1
        section.lossBound = 0.5
        let model = try model()
        let found = try #require(try prepared("auto", for: model, manyExamples, section: section).sparsity)
        section.lossBound = -1
        let policies = SparsityPolicies(
            model: model.model, fingerprint: "0",
            sample: SparsitySample(manyExamples, options: options, contextTokens: 512), section: section,
            seed: 1, parameters: model.parameters)
        return { progress in
            let made = try TrainingSparsity(
                found.plan, policy: nil, progress: progress, hasStopRule: true, policies: policies)
            made.prepare(step: 50, of: 100)
            return made
        }
    }

    @Test func `a probe compares a sparse pass with a dense one and does not disturb the run`() throws {
        var section = SparsitySection()
        section.probeInterval = 10
        let model = try model()
        let sparsity = try #require(
            try prepared(planFile(), for: model, examples(), section: section).sparsity)
        sparsity.prepare(step: 50, of: 100)
        #expect(try sparsity.probe(batch(), step: 51) == nil)
        let probe = try #require(try sparsity.probe(batch(), step: 60))
        #expect(probe.denseLoss != probe.sparseLoss)
        #expect(
            probe.layers.count == 1 && probe.layers[0].kept == model.model.configuration.feedForwardWidth / 2)
        #expect((0...1).contains(probe.layers[0].overlap))
        // A plan from a file is the user's: it is watched, not changed.
        #expect(probe.newScale == nil && sparsity.scale == 1)
    }

    @Test func `with auto, three probes beyond the bound halve the shares, three more end sparsity`() throws {
        let sparsity = try beyondItsBound()(SparsityProgress())
        let scales = try (1...3).map { try #require(try sparsity.probe(batch(), step: $0)).newScale }
        #expect(scales == [nil, nil, 0.5])
        let cost = sparsity.cost(of: [batch()])
        #expect(cost.isSparse && cost.flops < cost.denseFlops)
        _ = try (4...6).map { try sparsity.probe(batch(), step: $0) }
        #expect(sparsity.scale == 0)
        sparsity.prepare(step: 60, of: 100)
        #expect(sparsity.activePolicy == nil)
        #expect(try sparsity.probe(batch(), step: 61) == nil)
    }

    @Test func `a resumed run counts the probes before its checkpoint`() throws {
        let sparsity = try beyondItsBound()
        let first = try sparsity(SparsityProgress())
        for step in 1...2 { #expect(try first.probe(batch(), step: step)?.newScale == nil) }
        let saved = ConfigurationEncoder.encode(first.progress)
        let read = try ConfigurationDecoder.decode(SparsityProgress.self, from: saved, layer: "state")
        #expect(read == first.progress && read.gaps.count == 2)
        #expect(try sparsity(read).probe(batch(), step: 3)?.newScale == 0.5)
        #expect(try sparsity(SparsityProgress()).probe(batch(), step: 3)?.newScale == nil)
    }

    @Test func `a resumed run keeps its plan whatever became of the file`() throws {
        let model = try model()
        let path = try planFile()
        let plan = try SparsityPlan(contentsOf: path)
        try AtomicFile.write(to: path, text: "feed_forward: {0: 0.25}\nrank: 4\n")
        func resumed(_ plan: SparsityPlan) throws -> TrainingSparsity? {
            try TrainingSparsity.prepared(
                TrainingSparsity.Request(
                    choice: .file(path), section: SparsitySection(), batchOptions: options, fingerprint: "0",
                    parameters: model.parameters, resumedPlan: plan), model: model.model,
                examples: examples(), onProgress: { _ in }
            ).sparsity
        }
        #expect(try resumed(plan)?.plan == plan)
        var damaged = plan
        damaged.gradientShare = 0
        #expect(throws: InputError.self) { try resumed(damaged) }
        #expect(!SparsityProgress(scale: 3).isValid && !SparsityProgress(scale: -.infinity).isValid)
    }

    /// An adapter that has moved: fresh ones add nothing.
    private func moveAdapter(of model: AdaptedModel) {
        var random = SeededGenerator(seed: 5, stream: 0)
        for parameter in model.parameters {
            let values = (0..<parameter.value.count).map { _ in Float(random.next() % 2001) / 2500 - 0.4 }
            let (rows, width) = (parameter.value.rowCount, parameter.value.width)
            model.model.backend.copy(
                model.model.backend.upload(values, rowCount: rows, width: width, type: .float32), scale: 1,
                into: parameter.value)
        }
    }

    @Test func `a plan is fitted again once, to the adapter of then`() throws {
        var section = SparsitySection()
        section.refitStep = 0.3
        section.probeInterval = 1
        let model = try model()
        let path = try planFile(attention: 0.25)
        let sparsity = try #require(
            try prepared(path, for: model, manyExamples, section: section).sparsity)
        model.sparsity = sparsity
        moveAdapter(of: model)
        #expect(sparsity.description.contains { $0.hasSuffix("fitted again at 30% of the steps") })
        sparsity.prepare(step: 40, of: 100)
        let before = try #require(try sparsity.probe(batch(), step: 40)).sparseLoss
        #expect(try !model.refit(step: 29, of: 100) { _ in } && sparsity.fittedParameters == nil)
        #expect(try model.refit(step: 30, of: 100) { _ in })
        #expect(try !model.refit(step: 31, of: 100) { _ in })
        #expect(sparsity.progress.fitStep == 30)
        sparsity.prepare(step: 40, of: 100)
        #expect(try #require(try sparsity.probe(batch(), step: 40)).sparseLoss != before)
        // A copy: the adapter goes on, what the plan is fitted to does not.
        let backend = model.model.backend
        let fitted = try #require(sparsity.fittedParameters).map(backend.download)
        #expect(fitted == model.parameters.map { backend.download($0.value) })
        for parameter in model.parameters { backend.fill(parameter.value, with: 0) }
        #expect(try #require(sparsity.fittedParameters).map(backend.download) == fitted)
    }

    @Test func `only calibrated plans are fitted again`() throws {
        var section = SparsitySection()
        section.refitStep = 0.3
        let path = folder.path + "/random.yaml"
        try SparsityPlan.uniform(feedForward: 0.5, attention: 0, layers: 0..<1, method: .random).write(
            to: path)
        let model = try model()
        let error = try #require(throws: InputError.self) {
            try prepared(path, for: model, examples(), section: section)
        }
        #expect(error.location == "configuration key sparsity.refit_step")
    }

    @Test func `the error of a gap follows from the tokens' differences`() {
        let losses = PairedLosses(dense: [1, 2, 3, 2], sparse: [1.5, 2.5, 3.5, 2.5])
        #expect(abs(losses.gap - 0.25) < 1e-12 && losses.gapError < 1e-9)
        // Differences of +1 and -1: no gap, an error of 1 / sqrt(3) in a mean loss of 2.
        let noise = PairedLosses(dense: [1, 2, 3, 2], sparse: [2, 1, 4, 1])
        #expect(abs(noise.gap) < 1e-12)
        #expect(abs(noise.gapError - 1 / 3.0.squareRoot() / 2) < 1e-12)
        let both = losses + noise
        #expect(both.count == 8 && abs(both.gap - 0.125) < 1e-12)
        #expect(PairedLosses(dense: [2], sparse: [3]).gapError == 0.5)
    }

    @Test func `a run goes on at the scale of its checkpoint`() throws {
        let model = try model()
        let whole = try #require(try prepared(planFile(), for: model, examples()).sparsity)
        let half = try #require(
            try prepared(planFile(), for: model, examples(), progress: SparsityProgress(scale: 0.5)).sparsity)
        whole.prepare(step: 50, of: 100)
        half.prepare(step: 50, of: 100)
        #expect(half.cost(of: [batch()]).flops > whole.cost(of: [batch()]).flops)
    }
}
