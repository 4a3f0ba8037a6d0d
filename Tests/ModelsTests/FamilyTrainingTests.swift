// Ten clipped AdamW steps of each family's tiny model against PyTorch and PEFT; adapters of fused modules.

import Adapters
import Checkpoints
import FileSupport
import TensorEngine
import TestSupport
import Testing

@testable import Models

@Suite("Families train as with PEFT")
struct FamilyTrainingTests {
    private static let steps = 10
    private static let largestNorm = 1.0

    private typealias Run = FamilyGoldenTests.Run

    /// Errors of single steps add up, and Adam divides small gradients by their own size: 1e-4 of losses near 5.
    @Test("ten steps", arguments: FamilyGoldenTests.folders)
    func tenSteps(name: String) throws {
        let run = try Run(name)
        let adapters = try run.loadAdapter()
        let backend = run.model.backend
        let count = run.batch.labels.count { $0 >= 0 }
        let expected = try run.expected.floats("losses")
        let moments = adapters.parameters.map { parameter in
            (0..<2).map { _ in
                let moment = backend.makeTensor(
                    rowCount: parameter.value.rowCount, width: parameter.value.width, type: .float32)
                backend.fill(moment, with: 0)
                return moment
            }
        }
        for step in 0..<Self.steps {
            let tape = Tape(backend: backend)
            let result = try run.model.loss(
                PackedSequences(run.batch.sequences), labels: run.batch.labels,
                gradientScale: 1 / Float(count), on: tape)
            tape.backward()
            let loss = Float(result.sum / Double(count))
            #expect(abs(loss - expected[step]) < 1e-4 * expected[step], "step \(step)")
            let gradients = try adapters.parameters.map { try #require($0.gradient) }
            let norm = gradients.reduce(0) { $0 + backend.sumOfSquares($1) }.squareRoot()
            let settings = AdamWSettings(
                learningRate: 0.01, weightDecay: 0.01, step: step + 1,
                gradientScale: Float(min(1, Self.largestNorm / (norm + 1e-6))))
            for (index, parameter) in adapters.parameters.enumerated() {
                backend.adamW(
                    parameter: parameter.value, gradient: gradients[index], firstMoment: moments[index][0],
                    secondMoment: moments[index][1], settings: settings)
                parameter.clearGradient()
            }
        }
        #expect(expected[Self.steps - 1] < 0.9 * expected[0])
    }

    @Test("modules that a checkpoint fuses carry one adapter, saved as PEFT names it")
    func fusedAdapters() throws {
        let run = try Run("phi3")
        let adapters = try AdapterSet.install(LoRAConfiguration(rank: 2), into: run.model, seed: 3)
        #expect(
            adapters.adapters.prefix(4).map(\.moduleName) == [
                "model.layers.0.self_attn.qkv_proj", "model.layers.0.self_attn.o_proj",
                "model.layers.0.mlp.gate_up_proj", "model.layers.0.mlp.down_proj",
            ])
        // 4 heads of queries, 1 of keys and 1 of values, 8 channels each.
        #expect(adapters.parameters[1].value.rowCount == 48)
        try withTemporaryFolder { folder in
            try adapters.save(to: folder, model: run.model, baseModel: "tiny")
            let names = try SafetensorsFile(path: "\(folder)/adapter_model.safetensors").tensorNames
            #expect(names.contains("base_model.model.model.layers.1.mlp.gate_up_proj.lora_B.weight"))
            let configuration = try JSONParser.parse(fileAt: "\(folder)/adapter_config.json")
            #expect(
                configuration["target_modules"]
                    == .array(["qkv_proj", "o_proj", "gate_up_proj", "down_proj"].map { .string($0) }))
        }
        adapters.remove(from: run.model)
        #expect(run.model.linears.allSatisfy { $0.adapter == nil })
    }

    @Test("a part of a fused module as target is an error that names the module")
    func partAsTarget() throws {
        let run = try Run("phi3")
        let error = try #require(throws: InputError.self) {
            try AdapterSet.install(
                LoRAConfiguration(targets: .named(["o_proj", "v_proj"])), into: run.model, seed: 1)
        }
        #expect(error.problem.contains("stores q_proj, k_proj, v_proj as one matrix"))
        #expect(error.advice == "Name qkv_proj instead of v_proj.")
    }

    @Test("merging into the loaded model keeps what a fused adapter computes")
    func mergedInMemory() throws {
        let run = try Run("phi3-longrope")
        try run.loadAdapter().merge(into: run.model)
        #expect(run.model.linears.allSatisfy { $0.adapter == nil })
        try run.checkLogits("adapted_logits")
    }
}
