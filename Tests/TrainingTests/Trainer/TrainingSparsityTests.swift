// Sparse steps in training: when they are sparse, and that everything else stays as it is.

import Adapters
import ContextualSparsity
import FileSupport
import Models
import TensorEngine
import TestSupport
import Testing

@testable import Training

@Suite struct `Contextual sparsity in training` {
    let options = BatchOptions(sequences: 4, seed: 1)
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    func model() throws -> AdaptedModel {
        let model = try CausalLM(
            ModelSource(path: GoldenFolder("lora/model").path), computeType: .float32, backend: CPUBackend())
        var configuration = TrainingConfiguration()
        configuration.adapter.rank = 2
        return try AdaptedModel(model, configuration: configuration)
    }

    /// Prompts of a dozen tokens, answers of four.
    func examples(promptLength: Int = 12) -> [TokenizedExample] {
        var random = SeededGenerator(seed: 3, stream: 0)
        return (0..<24).map { _ in
            let tokens = (0..<promptLength + 4).map { _ in Int32(random.next() % 60) }
            return TokenizedExample(tokens: tokens, isLabelled: tokens.indices.map { $0 >= promptLength })
        }
    }

    func prepared(
        _ choice: String, for model: AdaptedModel, _ examples: [TokenizedExample],
        section: SparsitySection = SparsitySection(), progress: SparsityProgress = SparsityProgress(),
        onProgress: @escaping (PlanningProgress) -> Void = { _ in }
    ) throws -> (sparsity: TrainingSparsity?, notes: [String]) {
        try TrainingSparsity.prepared(
            TrainingSparsity.Request(
                choice: SparsityChoice(choice), section: section, batchOptions: options, fingerprint: "0",
                parameters: model.parameters, progress: progress), model: model.model, examples: examples,
            onProgress: onProgress)
    }

    /// Half of the first layer's channels: the other of the two layers is the last, which has nothing to leave out.
    func planFile(
        attention: Double = 0, gradientShare: Double = 1
    ) throws -> String {
        let path = folder.path + "/plan.yaml"
        var plan = SparsityPlan.uniform(feedForward: 0.5, attention: attention, layers: 0..<1)
        plan.gradientShare = gradientShare
        // A rank below what the small sample allows.
        plan.rank = 4
        try plan.write(to: path)
        return path
    }

    private func loss(_ model: AdaptedModel, isRecording: Bool) throws -> Double {
        var stream = BatchStream(examples(), options: options)
        let tape = Tape(backend: model.model.backend, isRecording: isRecording)
        return try model.loss(stream.next(), gradientScale: 1, on: tape, dropoutSeed: 0).sum
    }

    @Test func `steps are sparse from the start of the plan on, evaluation never is`() throws {
        let model = try model()
        let dense = try (loss(model, isRecording: true), loss(model, isRecording: false))
        model.sparsity = try prepared(planFile(), for: model, examples()).sparsity
        #expect(model.sparsity != nil)
        model.prepare(step: 4, of: 100)
        #expect(try loss(model, isRecording: true) == dense.0)
        model.prepare(step: 5, of: 100)
        #expect(try loss(model, isRecording: true) != dense.0)
        #expect(try loss(model, isRecording: false) == dense.1)
    }

    @Test func `calibrating again gives the same steps`() throws {
        let losses = try (0..<2).map { _ in
            let model = try model()
            model.sparsity = try prepared(planFile(), for: model, examples()).sparsity
            #expect(model.sparsity != nil)
            model.prepare(step: 50, of: 100)
            return try loss(model, isRecording: true)
        }
        #expect(losses[0] == losses[1])
    }

    @Test func `a budget that cannot be met names the least that can, before anything is measured`() throws {
        let model = try model()
        var stages = 0
        let error = try #require(throws: InputError.self) {
            try prepared("0.01", for: model, manyExamples, onProgress: { _ in stages += 1 })
        }
        #expect(stages == 0)
        let least = try #require("\(error)".firstMatch(of: /The least is ([0-9.]+)/)?.output.1)
        let plan = try #require(try prepared(String(least), for: model, manyExamples).sparsity?.plan)
        #expect(try #require(plan.flopShare) <= #require(Double(least)))
    }

    @Test func `a plan that cannot be read is an error`() throws {
        let model = try model()
        #expect(throws: InputError.self) { try prepared("/nowhere/plan.yaml", for: model, examples()) }
    }

    @Test func `without prompts there is nothing to leave out, and training is dense`() throws {
        let result = try prepared("0.9", for: try model(), examples(promptLength: 1))
        #expect(result.sparsity == nil)
        #expect(result.notes.contains { $0.contains("training densely") })
    }

    @Test func `a plan that leaves out words alone needs no prompts`() throws {
        let path = folder.path + "/words.yaml"
        try AtomicFile.write(to: path, text: "word_threshold: 0.05\nstart_step: 0\n")
        let sparsity = try #require(
            try prepared(path, for: try model(), examples(promptLength: 1)).sparsity)
        sparsity.prepare(step: 1, of: 10)
        #expect(sparsity.activePolicy?.wordThreshold == 0.05)
    }

    @Test func `a budget becomes a plan that spends no more, and says what it predicts`() throws {
        let model = try model()
        let sparsity = try #require(try prepared("0.95", for: model, manyExamples).sparsity)
        let share = try #require(sparsity.plan.flopShare)
        #expect(share <= 0.95)
        #expect(!sparsity.plan.isDense)
        #expect(sparsity.plan.predictedLossRise != nil)
        #expect(sparsity.plan.fingerprint == "0")
    }

    @Test func `operations are counted over the whole of the data, not over the batches fitted on`() {
        let short = examples(promptLength: 4)
        let long = examples(promptLength: 60)
        let sample = SparsitySample(short + long, options: options, contextTokens: 16)
        // The row before the first trained token predicts it; the last token's own row is not computed.
        #expect(sample.rows.sequenceLengths.sorted() == (short + long).map { $0.count - 1 }.sorted())
        let shortest = sample.rows.sequenceLengths.firstIndex(of: 7)
        #expect(shortest.map { sample.rows.labelledPositions[$0] } == [3, 4, 5, 6])
        let many = SparsitySample(
            (0..<50).flatMap { _ in short + long }, options: options, contextTokens: 16)
        let count = many.rows.sequenceLengths.count
        #expect((2048..<2048 + options.sequences).contains(count))
        let share = Double(many.rows.sequenceLengths.count { $0 == 7 }) / Double(count)
        #expect(abs(share - 0.5) < 0.1)
        // Examples that are there fifty times share their prompts where they meet in a batch.
        #expect(many.rows.rowCount < many.rows.tokenCount)
    }

    @Test func `a budget gives up gradients where that harms less than what blocks would leave out`() throws {
        var shares: [Double] = []
        for share in stride(from: 0.95, to: 0, by: -0.03) {
            let made = try? prepared("\(share)", for: model(), manyExamples)
            guard let plan = made?.sparsity?.plan else { break }
            #expect(try #require(plan.flopShare) <= share)
            shares.append(plan.gradientShare)
        }
        // Gradients stay exact while blocks suffice; the least that is possible takes both.
        #expect(shares.count > 2 && shares.first == 1)
        #expect(try #require(shares.last) < 1)
    }

    @Test func `auto finds a plan within the bound, or trains densely`() throws {
        var section = SparsitySection()
        section.lossBound = 0.5
        let model = try model()
        let sparsity = try #require(try prepared("auto", for: model, manyExamples, section: section).sparsity)
        #expect(!sparsity.plan.isDense)
        #expect(try #require(sparsity.plan.predictedLossRise) <= 0.5)
        section.lossBound = 1e-9
        // Improbable words are all that so low a bound leaves out.
        let words = try #require(
            try prepared("auto", for: model, manyExamples, section: section).sparsity?.plan)
        #expect(words.wordThreshold > 0 && words.feedForward.isEmpty && words.attention.isEmpty)
        #expect(words.gradientShare == 1)
        section.exactGradients = true
        let none = try prepared("auto", for: model, manyExamples, section: section)
        #expect(none.sparsity == nil)
        #expect(none.notes.contains { $0.contains("training densely") })
    }

    @Test func `the bound of auto is relative to one nat where the loss is higher`() throws {
        let planner = try SparsityPlanner(
            model().model, fingerprint: "0", examples: manyExamples, section: SparsitySection(),
            spending: nil, batchOptions: options, onProgress: { _ in })
        var found = 0
        for bound in [0.003, 0.01, 0.03] {
            guard let planned = try planner.plan(within: bound) else { continue }
            #expect(planned.sensitivity.denseLoss > 2)
            found += 1
            #expect(planned.reading.divergence <= bound)
        }
        #expect(found > 0)
    }

    @Test(arguments: [SparsityPlan.Method.random, .norm, .oracle, .wanda])
    func `other methods run from a plan's file`(method: SparsityPlan.Method) throws {
        let model = try model()
        let dense = try loss(model, isRecording: true)
        var plan = SparsityPlan.uniform(feedForward: 0.5, attention: 0.5, layers: 0..<1, method: method)
        plan.feedForwardAdapters = .dense
        let path = folder.path + "/plan.yaml"
        try plan.write(to: path)
        model.sparsity = try prepared(path, for: model, examples()).sparsity
        model.prepare(step: 50, of: 100)
        let sparse = try loss(model, isRecording: true)
        #expect(sparse != dense && sparse.isFinite)
        #expect(try loss(model, isRecording: true) == sparse)
    }

    @Test(arguments: [SparsityPlan.Method.calibrated, .random, .oracle], [1, 0.4])
    func `checkpointed steps are sparse as others are, to the bit`(
        method: SparsityPlan.Method, gradientShare: Double
    ) throws {
        let model = try model()
        var plan = SparsityPlan.uniform(feedForward: 0.5, attention: 0.5, layers: 0..<1, method: method)
        plan.gradientShare = gradientShare
        if method == .calibrated { plan.rank = 4 } else { plan.feedForwardAdapters = .dense }
        let path = folder.path + "/plan.yaml"
        try plan.write(to: path)
        func step() throws -> (loss: Double, gradients: [[Float]]) {
            for parameter in model.parameters { parameter.clearGradient() }
            let backend = model.model.backend
            let tape = Tape(backend: backend)
            let loss = try model.loss(batch(), gradientScale: 1, on: tape, dropoutSeed: 3).sum
            tape.backward()
            return (loss, model.parameters.map { $0.gradient.map { backend.download($0) } ?? [] })
        }
        let dense = try step()
        model.sparsity = try prepared(path, for: model, examples()).sparsity
        model.prepare(step: 50, of: 100)
        let plain = try step()
        model.checkpointsActivations = true
        let checkpointed = try step()
        #expect(plain.gradients != dense.gradients)
        #expect(checkpointed.loss == plain.loss)
        #expect(checkpointed.gradients == plain.gradients)
    }

    var manyExamples: [TokenizedExample] { (0..<6).flatMap { _ in examples() } }

    func batch() -> Batch {
        var stream = BatchStream(examples(), options: options)
        return stream.next()
    }

    @Test func `a step's record counts what the plan leaves out`() throws {
        let model = try model()
        let sparsity = try #require(try prepared(planFile(attention: 0.5), for: model, examples()).sparsity)
        sparsity.prepare(step: 0, of: 100)
        let dense = sparsity.cost(of: [batch()])
        #expect(!dense.isSparse && dense.flops == dense.denseFlops && dense.contextShare == 0)
        sparsity.prepare(step: 50, of: 100)
        let sparse = sparsity.cost(of: [batch()])
        #expect(sparse.isSparse && sparse.flops < sparse.denseFlops)
        #expect(sparse.denseFlops == dense.denseFlops && dense.plainFlops >= dense.denseFlops)
        // Of the 15 rows that a sequence of 16 tokens computes, four predict an answer's token, and the first stays dense.
        #expect(abs(sparse.contextShare - 10.0 / 15) < 1e-9)
    }

    @Test func `what is left out is reported by layer and part`() throws {
        let model = try model()
        var plan = SparsityPlan.uniform(feedForward: 0.5, attention: 0.25, layers: 0..<1)
        (plan.rank, plan.startStep, plan.endStep) = (4, ScheduleStep(1e18), ScheduleStep(1e19))
        let path = folder.path + "/late.yaml"
        try plan.write(to: path)
        let sparsity = try #require(try prepared(path, for: model, manyExamples).sparsity)
        let text = sparsity.description.joined(separator: "\n")
        #expect(text.contains("0.5 of feed-forward left out in layers 0,"))
        #expect(text.contains("MFLOP a token, dense and sparse: frozen forward"))
        let report = sparsity.report(step: 7)
        #expect(report.step == 7 && report.scale == 1 && report.layers.map(\.layer) == [0])
        #expect(report.layers[0].feedForward == 0.5 && report.layers[0].attention == 0.25)
        #expect(report.layers[0].keptChannels == model.model.configuration.feedForwardWidth / 2)
        let forward = try #require(report.operations.first { $0.name == "frozen forward" })
        #expect(forward.sparse < forward.dense && forward.dense <= forward.plain)
    }

    @Test func `gradients of some tokens leave the loss as it is, and cost less`() throws {
        let model = try model()
        let path = folder.path + "/gradients.yaml"
        var plan = SparsityPlan()
        plan.gradientShare = 0.4
        plan.startStep = ScheduleStep(0)
        try plan.write(to: path)
        func gradients() throws -> (loss: Double, norms: [String: Float]) {
            for parameter in model.parameters { parameter.clearGradient() }
            var stream = BatchStream(examples(), options: options)
            let tape = Tape(backend: model.model.backend)
            let loss = try model.loss(stream.next(), gradientScale: 1, on: tape, dropoutSeed: 0).sum
            tape.backward()
            let norms = model.parameters.map { parameter in
                (
                    parameter.name,
                    parameter.gradient.map { model.model.backend.download($0).reduce(0) { $0 + $1 * $1 } }
                        ?? 0
                )
            }
            return (loss, Dictionary(uniqueKeysWithValues: norms))
        }
        let dense = try gradients()
        let sparsity = try #require(try prepared(path, for: model, examples()).sparsity)
        model.sparsity = sparsity
        model.prepare(step: 1, of: 10)
        let some = try gradients()
        #expect(some.loss == dense.loss)
        // The last layer learns as ever; the one below from the rows with the largest gradients.
        for (name, norm) in dense.norms {
            let last = name.contains("layers.1.")
            // Sums in another order differ in their last digits.
            let isSame = try abs(#require(some.norms[name]) - norm) <= 1e-5 * norm
            #expect(isSame == (last || norm == 0), "\(name)")
        }
        let cost = sparsity.cost(of: [batch()])
        #expect(cost.flops < cost.denseFlops)
    }
}
