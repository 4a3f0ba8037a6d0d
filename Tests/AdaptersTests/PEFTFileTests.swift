// PEFT folders: written as read, and every way in which one can be wrong.

import Checkpoints
import FileSupport
import Foundation
import Models
import TensorEngine
import TestSupport
import Testing

@testable import Adapters

@Suite("Adapter files in PEFT's format")
struct PEFTFileTests {
    private func model() throws -> CausalLM {
        try CausalLM(
            ModelSource(path: GoldenFolder("lora/model").path), computeType: .float32, backend: CPUBackend())
    }

    @Test("read, written and read again are the same", arguments: TrainingGoldenTests.cases)
    func roundTrip(name: String) throws {
        let golden = GoldenFolder("lora/\(name)")
        let model = try model()
        let first = try AdapterSet.load(golden.path, into: model)
        try withTemporaryFolder { folder in
            try first.save(to: folder, model: model, baseModel: "tiny-llama")
            first.remove(from: model)
            let second = try AdapterSet.load(folder, into: model)
            #expect(second.parameters.map(\.name) == first.parameters.map(\.name))
            for (left, right) in zip(first.parameters, second.parameters) {
                #expect(model.backend.download(left.value) == model.backend.download(right.value))
            }
            #expect(first.adapters.map(\.pair.scale) == second.adapters.map(\.pair.scale))
            let written = try SafetensorsFile(path: "\(folder)/adapter_model.safetensors")
            let original = try SafetensorsFile(path: golden.file("adapter_model.safetensors"))
            #expect(Set(written.tensorNames) == Set(original.tensorNames))
        }
    }

    @Test("fresh adapters change nothing, and their seed decides them")
    func fresh() throws {
        let model = try model()
        let batch = PackedSequences([[3, 5, 7, 11]])
        let before = try model.logits(batch)
        let configuration = LoRAConfiguration(rank: 4, alpha: 8, targets: .named(["q_proj", "down_proj"]))
        let first = try AdapterSet.install(configuration, into: model, seed: 1)
        #expect(try largestDifference(model.logits(batch), before) < 1e-5)
        #expect(first.adapters.count == 4 && first.parameterCount == 2 * 4 * (64 + 64 + 96 + 64))
        #expect(throws: InputError.self) { try AdapterSet.install(configuration, into: model, seed: 1) }
        let a = model.backend.download(first.parameters[0].value)
        // Uniform in ±1/8 (in = 64): the mean square of 256 values is near 1/192.
        #expect(a.allSatisfy { abs($0) <= 0.125 })
        #expect(abs(a.reduce(0) { $0 + $1 * $1 } / Float(a.count) - 1 / 192) < 1.5e-3)
        first.remove(from: model)
        let again = try AdapterSet.install(configuration, into: model, seed: 1)
        #expect(model.backend.download(again.parameters[0].value) == a)
        again.remove(from: model)
        let other = try AdapterSet.install(configuration, into: model, seed: 2)
        #expect(model.backend.download(other.parameters[0].value) != a)
    }

    @Test("a subset of layers is written by full names")
    func subset() throws {
        let model = try model()
        let configuration = LoRAConfiguration(rank: 2, targets: .named(["q_proj"]), layers: .last(1))
        let adapters = try AdapterSet.install(configuration, into: model, seed: 3)
        try withTemporaryFolder { folder in
            try adapters.save(to: folder, model: model, baseModel: "x", type: .bfloat16)
            let json = try JSONParser.parse(fileAt: "\(folder)/adapter_config.json")
            #expect(json["target_modules"] == .array([.string("model.layers.1.self_attn.q_proj")]))
            adapters.remove(from: model)
            #expect(
                try AdapterSet.load(folder, into: model).adapters.map(\.moduleName) == [
                    "model.layers.1.self_attn.q_proj"
                ])
        }
    }

    /// Key, value, and what the error must name.
    @Test(
        "a feature that would be lost is an error naming its key",
        arguments: [
            ("use_dora", "true"), ("bias", "\"all\""), ("modules_to_save", "[\"lm_head\"]"),
            ("lora_bias", "true"),
            ("peft_type", "\"IA3\""), ("exclude_modules", "[\"q_proj\"]"), ("layer_replication", "[[0, 1]]"),
            ("init_lora_weights", "\"pissa\""), ("trainable_token_indices", "[1]"), ("use_qalora", "true"),
            ("fan_in_fan_out", "true"), ("a_key_of_tomorrow", "{\"x\": 1}"), ("layers_pattern", "\"h\""),
            ("r", "0"), ("r", "\"8\""), ("lora_alpha", "-1"), ("target_modules", "null"),
            ("target_modules", "[1]"),
            ("rank_pattern", "{\"q_proj\": \"x\"}"), ("lora_dropout", "1.0"),
        ])
    func unsupported(key: String, value: String) throws {
        let golden = GoldenFolder("lora/all-linear")
        let model = try model()
        var object = try #require(
            try JSONParser.parse(fileAt: golden.file("adapter_config.json")).objectValue)
        object[key] = try JSONParser.parse(value, location: "value")
        try withTemporaryFolder { folder in
            try AtomicFile.write(
                to: "\(folder)/adapter_config.json", text: JSONValue.object(object).serialized())
            let error = try #require(throws: InputError.self) { try AdapterSet.load(folder, into: model) }
            let names = ["r": "rank", "lora_alpha": "alpha", "lora_dropout": "dropout"]
            let message = error.description
            #expect(message.contains(key) || names[key].map(message.contains) == true, "\(message)")
        }
    }

    @Test("missing, extra and misshapen tensors are errors, and the model stays as it was")
    func tensors() throws {
        let golden = GoldenFolder("lora/attention-rslora")
        let original = try SafetensorsFile(path: golden.file("adapter_model.safetensors"))
        let names = original.tensorNames
        let model = try model()
        func load(_ tensors: [OutputTensor]) throws -> InputError {
            try withTemporaryFolder { folder in
                try AtomicFile.write(
                    to: "\(folder)/adapter_config.json",
                    text: String(contentsOfFile: golden.file("adapter_config.json"), encoding: .utf8))
                try SafetensorsWriter.write(tensors, to: "\(folder)/adapter_model.safetensors")
                return try #require(throws: InputError.self) { try AdapterSet.load(folder, into: model) }
            }
        }
        let all = try names.map { OutputTensor(try original.tensor(named: $0)) }
        #expect(try load(Array(all.dropFirst())).problem.contains(all[0].name))
        let extra = OutputTensor(
            name: "base_model.model.lm_head.lora_A.weight", type: .float32, shape: [1], values: [0])
        #expect(try load(all + [extra]).problem.contains("lm_head"))
        let wrong = OutputTensor(
            name: all[0].name, type: .float32, shape: [4, 2], values: [Float](repeating: 0, count: 8))
        #expect(try load([wrong] + all.dropFirst()).location.contains(all[0].name))
        #expect(model.linears.allSatisfy { $0.adapter == nil })
    }
}
