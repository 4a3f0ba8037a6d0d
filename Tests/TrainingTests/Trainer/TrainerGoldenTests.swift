// A whole run of the trainer on a real decoder against PEFT: losses, norms and the saved adapter, whatever the batches.

import Adapters
import Checkpoints
import FileSupport
import Models
import TestSupport
import Testing

@testable import TensorEngine
@testable import Training

@Suite("The trainer agrees with PEFT")
struct TrainerGoldenTests {
    /// One batch of three sequences is how PEFT ran; three batches of one must give the same.
    @Test("ten steps of a run", arguments: ["all-linear", "attention-rslora"], [1, 3])
    func tenSteps(name: String, batchSize: Int) throws {
        let golden = GoldenFolder("lora/\(name)")
        let expected = try golden.tensors()
        let examples = try (0..<3).map { index in
            let labels = try expected.integers("labels.\(index)")
            return TokenizedExample(
                tokens: try expected.integers("tokens.\(index)"), isLabelled: labels.map { $0 >= 0 })
        }
        let backend = CPUBackend()
        let model = try CausalLM(
            ModelSource(path: GoldenFolder("lora/model").path), computeType: .float32, backend: backend)
        let adapters = try AdapterSet.load(golden.path, into: model)
        let folder = try TemporaryFolder()
        var configuration = TrainingConfiguration()
        configuration.outputFolder = "\(folder.path)/run"
        configuration.steps = 10
        configuration.batchSize = batchSize
        configuration.gradientAccumulation = 3 / batchSize
        configuration.optimizer.learningRate = 0.01
        configuration.optimizer.weightDecay = 0.01
        configuration.schedule.kind = .constant
        configuration.schedule.warmupSteps = 0
        var metrics: [StepMetrics] = []
        let trainer = try Trainer(
            configuration, model: AdaptedModel(model, adapters: adapters, baseModel: "base"),
            training: examples, validation: [], start: .new, backend: backend
        ) { event in
            if case .step(let step) = event { metrics.append(step) }
        }
        let summary = try trainer.run()
        let losses = try expected.floats("losses")
        let norms = try expected.floats("gradient_norms")
        #expect(metrics.count == 10)
        for (step, found) in metrics.enumerated() {
            #expect(abs(Float(found.loss) - losses[step]) < 1e-4, "step \(step)")
            #expect(abs(Float(found.gradientNorm) - norms[step]) < 1e-3 * norms[step], "step \(step)")
        }
        #expect(norms.contains { $0 > 1 }, "some step is clipped")
        // What PEFT would load is what PEFT itself had after ten steps; the tolerance is that of the adapters' test.
        let saved = try SafetensorsFile(path: "\(try #require(summary.adapter))/adapter_model.safetensors")
        let names = expected.names.filter { $0.hasPrefix("final.") }
        #expect(saved.tensorNames.count == names.count)
        for name in names {
            let values = try saved.tensor(named: String(name.dropFirst("final.".count))).float32Values()
            #expect(try largestDifference(values, expected.floats(name)) < 2e-4, "\(name)")
        }
    }

    /// Adapters with dropout; the second half of the run keeps what the first half computed again.
    @Test func `a run that is stopped with activation checkpointing resumes without it, to the bit`() throws {
        let folder = try TemporaryFolder()
        func run(_ name: String, checkpointing: Bool, stopAfter: Int?, start: RunStart) throws -> [[Float]] {
            var configuration = TrainingConfiguration()
            configuration.outputFolder = "\(folder.path)/\(name)"
            configuration.steps = 5
            configuration.batchSize = 2
            configuration.adapter.rank = 2
            configuration.adapter.dropout = 0.2
            configuration.activationCheckpointing = checkpointing
            let backend = CPUBackend()
            let model = try AdaptedModel(
                CausalLM(
                    ModelSource(path: GoldenFolder("lora/model").path), computeType: .float32,
                    backend: backend),
                configuration: configuration)
            #expect(model.checkpointsActivations == checkpointing)
            let signal = StopSignal()
            let trainer = try Trainer(
                configuration, model: model, training: tinyExamples(6), validation: [], start: start,
                backend: backend
            ) { event in
                if case .step(let metrics) = event, metrics.step == stopAfter { signal.request() }
            }
            _ = try trainer.run(stop: signal)
            return model.parameters.map { backend.download($0.value) }
        }
        let whole = try run("whole", checkpointing: false, stopAfter: nil, start: .new)
        let half = try run("halves", checkpointing: true, stopAfter: 2, start: .new)
        #expect(half != whole)
        #expect(try run("halves", checkpointing: false, stopAfter: nil, start: .resume) == whole)
    }

    @Test func `a run that cannot fit is refused before it starts, with what to lower`() throws {
        let model = try CausalLM(
            ModelSource(path: GoldenFolder("lora/model").path), computeType: .float32, backend: CPUBackend())
        let adapters = try AdapterSet.install(LoRAConfiguration(rank: 4), into: model, seed: 1)
        func plan(tokens: Int, checkpointing: Bool = false) -> MemoryPlan {
            let example = TokenizedExample(
                tokens: Array(repeating: 1, count: tokens), isLabelled: Array(repeating: true, count: tokens))
            return MemoryPlan(
                model, adapters: adapters, examples: [example, example, example], batchSize: 2,
                checkpointing: checkpointing)
        }
        #expect(plan(tokens: 100).largestBatchTokens == 200)
        #expect(
            (1.9...2.1).contains(
                Double(plan(tokens: 200).activationBytes) / Double(plan(tokens: 100).activationBytes)))
        #expect(plan(tokens: 100).adapterBytes == 20 * adapters.parameterCount)
        let large = plan(tokens: 100_000)
        try large.check(loadedBytes: large.weightBytes, available: large.totalBytes, location: "run")
        let error = #expect(throws: InputError.self) {
            try large.check(loadedBytes: large.weightBytes, available: 100_000_000, location: "run")
        }
        #expect(error?.problem.contains("batches of 200000 tokens") == true)
        #expect(error?.advice?.contains("batch_size") == true)
        #expect(error?.advice?.contains("activation_checkpointing") == true)
        let checkpointed = plan(tokens: 100_000, checkpointing: true)
        #expect(checkpointed.totalBytes == large.totalBytes - large.checkpointingSavings)
        #expect(checkpointed.activationBytes < large.activationBytes)
        let other = #expect(throws: InputError.self) {
            try checkpointed.check(loadedBytes: 0, available: 100_000_000, location: "run")
        }
        #expect(other?.advice?.contains("activation_checkpointing") == false)
    }
}
