// Activation checkpointing changes what is kept for the backward pass, and nothing else.

import Adapters
import FileSupport
import TensorEngine
import TestSupport
import Testing

@testable import Models

@Suite("Activation checkpointing")
struct CheckpointingTests {
    private struct Outcome: Equatable {
        var loss: Double
        var gradients: [[Float]]
    }

    /// A model with adapters whose both factors are set, so that every gradient is other than zero.
    private struct Trainee {
        let model: CausalLM
        let adapters: AdapterSet
        let batch: LabelledBatch

        init(_ folder: String, type: ElementType, dropout: Double, targets: LoRAConfiguration.Targets) throws
        {
            let golden = GoldenFolder("family-\(folder)")
            model = try CausalLM(
                ModelSource(path: golden.path), computeType: type, backend: CPUBackend(pool: MemoryPool()))
            adapters = try AdapterSet.install(
                LoRAConfiguration(rank: 2, dropout: dropout, targets: targets), into: model, seed: 1)
            batch = try LabelledBatch(golden.tensors(), count: 2)
            var random = TestSupport.SeededRandom(seed: 7)
            for parameter in adapters.parameters {
                let (rows, width) = (parameter.value.rowCount, parameter.value.width)
                model.backend.copy(
                    random.tensor(rows, width, limit: 0.3, on: CPUBackend()), scale: 1, into: parameter.value)
            }
        }

        func forward(on tape: Tape, checkpointing: Bool) throws -> LossResult {
            try model.loss(
                PackedSequences(batch.sequences), labels: batch.labels, gradientScale: 0.1, on: tape,
                dropoutSeed: 5, checkpointing: checkpointing)
        }

        func step(checkpointing: Bool) throws -> Outcome {
            for parameter in adapters.parameters { parameter.clearGradient() }
            let tape = Tape(backend: model.backend)
            let loss = try forward(on: tape, checkpointing: checkpointing).sum
            tape.backward()
            return Outcome(
                loss: loss,
                gradients: adapters.parameters.map { $0.gradient.map { model.backend.download($0) } ?? [] })
        }
    }

    @Test(
        "gives every family's loss and gradients to the bit, with dropout",
        arguments: FamilyGoldenTests.folders, [ElementType.float32, .bfloat16])
    func sameBits(folder: String, type: ElementType) throws {
        let trainee = try Trainee(folder, type: type, dropout: 0.3, targets: .allLinear)
        let plain = try trainee.step(checkpointing: false)
        #expect(plain.gradients.allSatisfy { $0.contains { $0 != 0 } })
        #expect(try trainee.step(checkpointing: true) == plain)
    }

    @Test("gives the same bits with adapters on some projections", arguments: [["v_proj"], ["down_proj"]])
    func someTargets(names: [String]) throws {
        let trainee = try Trainee("qwen3", type: .float32, dropout: 0, targets: .named(names))
        #expect(try trainee.step(checkpointing: true) == trainee.step(checkpointing: false))
    }

    @Test("keeps less between the passes, and nothing after them")
    func keepsLess() throws {
        let trainee = try Trainee("llama", type: .float32, dropout: 0, targets: .allLinear)
        let pool = MemoryPool()
        let tapes = (0..<2).map { _ in Tape(backend: CPUBackend(pool: pool)) }
        // The table of angles stays.
        _ = try trainee.forward(
            on: Tape(backend: CPUBackend(pool: pool), isRecording: false), checkpointing: false)
        var live = [pool.statistics.liveBytes]
        for (tape, checkpointing) in zip(tapes, [true, false]) {
            _ = try trainee.forward(on: tape, checkpointing: checkpointing)
            live.append(pool.statistics.liveBytes)
        }
        // Two layers, of which the last keeps everything either way.
        #expect(live[1] - live[0] < (live[2] - live[1]) * 2 / 3)
        for tape in tapes { tape.reset() }
        #expect(pool.statistics.liveBytes == live[0])
    }

    @Test("does nothing where nothing is recorded")
    func withoutRecording() throws {
        let trainee = try Trainee("llama", type: .float32, dropout: 0.3, targets: .allLinear)
        let losses = try [false, true].map { checkpointing in
            try trainee.forward(
                on: Tape(backend: trainee.model.backend, isRecording: false), checkpointing: checkpointing
            ).rowLosses
        }
        #expect(losses[0] == losses[1])
    }
}
