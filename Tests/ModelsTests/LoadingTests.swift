// Loading: tensors missing, left over, misshapen or stored in other types; GGUF files in all their variety.

import Checkpoints
import FileSupport
import Foundation
import TensorEngine
import TestSupport
import Testing

@testable import Models

@Suite("Loading a model")
struct LoadingTests {
    private let golden = GoldenFolder("llama-gqa-tied")
    private let sequence: [Int32]
    private let reference: [Float]

    init() throws {
        sequence = try golden.tensors().integers("tokens.0")
        reference = try golden.tensors().floats("logits.0")
    }

    private func load(_ path: String) throws -> CausalLM {
        try CausalLM(ModelSource(path: path), computeType: .float32, backend: CPUBackend())
    }

    /// Copies the golden folder with its tensors changed, and loads it.
    private func load(changing change: (inout [OutputTensor]) throws -> Void) throws -> CausalLM {
        try withTemporaryFolder { folder in
            let source = try SafetensorsFile(path: golden.file("model.safetensors"))
            var tensors = try source.tensorNames.map { OutputTensor(try source.tensor(named: $0)) }
            try change(&tensors)
            try SafetensorsWriter.write(tensors, to: "\(folder)/model.safetensors")
            let text = try JSONParser.parse(fileAt: golden.file("config.json")).serialized()
            try AtomicFile.write(to: "\(folder)/config.json", text: text)
            return try load(folder)
        }
    }

    private func zeros(_ name: String, _ shape: [Int]) -> OutputTensor {
        OutputTensor(
            name: name, type: .float32, shape: shape, values: [Float](repeating: 0, count: shape.reduce(1, *))
        )
    }

    @Test func aMissingTensorIsNamed() throws {
        let name = "model.layers.1.mlp.up_proj.weight"
        let error = try #require(throws: InputError.self) { try load { $0.removeAll { $0.name == name } } }
        #expect(error.problem == "there is no tensor \"\(name)\"")
    }

    @Test func aTensorLeftOverIsNamed() throws {
        let error = try #require(throws: InputError.self) {
            try load { $0.append(zeros("model.layers.0.self_attn.q_norm.weight", [16])) }
        }
        #expect(error.problem.contains("model.layers.0.self_attn.q_norm.weight"))
    }

    @Test func aMisshapenTensorIsNamedWithBothShapes() throws {
        let name = "model.layers.0.self_attn.k_proj.weight"
        let error = try #require(throws: InputError.self) {
            try load { tensors in
                tensors.removeAll { $0.name == name }
                tensors.append(zeros(name, [64, 64]))
            }
        }
        #expect(error.location.hasSuffix("tensor \(name)"))
        #expect(error.problem == "expected shape [32, 64], found [64, 64]")
    }

    @Test func storedRotaryFrequenciesAreHarmless() throws {
        let model = try load { $0.append(zeros("model.layers.0.self_attn.rotary_emb.inv_freq", [8])) }
        #expect(try largestDifference(model.logits(PackedSequences([sequence])), reference) < 1e-4)
    }

    @Test func aStoredCopyOfATiedHeadIsHarmlessAndAnotherHeadIsNot() throws {
        let table = try SafetensorsFile(path: golden.file("model.safetensors"))
            .tensor(named: "model.embed_tokens.weight")
        _ = try load { $0.append(OutputTensor(table, name: "lm_head.weight")) }
        let error = try #require(throws: InputError.self) {
            try load { $0.append(zeros("lm_head.weight", [160, 64])) }
        }
        #expect(error.problem.contains("differs from the embedding table"))
    }

    @Test("stored types are converted", arguments: [StoredType.float16, .bfloat16])
    func storedTypes(type: StoredType) throws {
        let model = try load { tensors in
            let source = try SafetensorsFile(path: golden.file("model.safetensors"))
            tensors = try source.tensorNames.map { name in
                let stored = try source.tensor(named: name)
                return OutputTensor(
                    name: name, type: type, shape: stored.shape, values: try stored.float32Values())
            }
        }
        let logits = try model.logits(PackedSequences([sequence]))
        // Weights are off by a relative 2^-11 (f16) or 2^-9 (bf16), logits of magnitude 5 by some of that.
        #expect(largestDifference(logits, reference) < (type == .float16 ? 0.02 : 0.15))
    }

    @Test("a loaded model needs its file no more, whatever types it stores")
    func independence() throws {
        try withTemporaryFolder { folder in
            let file = "model.safetensors"
            for name in ["config.json", file] {
                try Data(contentsOf: URL(fileURLWithPath: golden.file(name)))
                    .write(to: URL(fileURLWithPath: "\(folder)/\(name)"))
            }
            let model = try CausalLM(
                ModelSource(path: folder), computeType: .float32, backend: CPUBackend())
            let handle = try FileHandle(forUpdating: URL(fileURLWithPath: "\(folder)/\(file)"))
            try handle.truncate(atOffset: 0)
            #expect(largestDifference(try model.logits(PackedSequences([sequence])), reference) < 1e-4)
        }
    }

    @Test func quantisedGGUFWeightsAreDecoded() throws {
        try withTemporaryFolder { folder in
            let path = "\(folder)/model.gguf"
            try writeGGUF(of: ModelSource(path: golden.path), to: path, types: [.q8_0, .float16, .bfloat16])
            let logits = try load(path).logits(PackedSequences([sequence]))
            #expect(largestDifference(logits, reference) < 0.2)
        }
    }

    @Test(
        "GGUF metadata that does not hold together is an error naming the key",
        arguments: [
            ("llama.block_count", GGUFWriter.Value.uint32(0)), ("llama.block_count", .uint32(1 << 30)),
            ("llama.block_count", .string("2")), ("llama.embedding_length", .uint32(0)),
            ("llama.attention.head_count", .uint32(0)), ("llama.attention.head_count_kv", .uint32(3)),
            ("llama.attention.value_length", .uint32(8)),
            ("llama.vocab_size", .uint32(161)), ("llama.rope.freq_base", .float32(.nan)),
            ("llama.rope.dimension_count", .uint32(8)), ("llama.expert_count", .uint32(8)),
            ("llama.rope.scaling.type", .string("dynamic")),
            ("llama.rope.scaling.original_context_length", .uint32(0)),
            ("general.architecture", .string("mamba")),
            ("llama.attention.layer_norm_rms_epsilon", .float32(-1)),
            ("tokenizer.ggml.eos_token_id", .uint32(160)),
        ])
    func ggufMetadata(key: String, value: GGUFWriter.Value) throws {
        try withTemporaryFolder { folder in
            let path = "\(folder)/model.gguf"
            try writeGGUF(of: ModelSource(path: golden.path), to: path, extraMetadata: [(key, value)])
            let error = try #require(throws: InputError.self) { try ModelSource(path: path) }
            #expect(error.description.contains(key), "\(error)")
        }
    }

    @Test func aGGUFFileWithMoreLayersThanWeightsIsAnError() throws {
        try withTemporaryFolder { folder in
            let path = "\(folder)/model.gguf"
            try writeGGUF(
                of: ModelSource(path: golden.path), to: path,
                extraMetadata: [("llama.block_count", .uint32(3))])
            let error = try #require(throws: InputError.self) { try load(path) }
            #expect(error.problem.contains("blk.2."), "\(error)")
        }
    }

    @Test func labelsAndTokensOutsideTheVocabularyAreErrors() throws {
        let model = try load(golden.path)
        let tape = Tape(backend: model.backend)
        #expect(throws: InputError.self) {
            try model.loss(PackedSequences([[1, 2]]), labels: [160, -1], gradientScale: 1, on: tape)
        }
        #expect(throws: InputError.self) { try model.logits(PackedSequences([[1, 160]])) }
        let nothing = try model.loss(
            PackedSequences([[1, 2]]), labels: [-100, -100], gradientScale: 1, on: tape)
        #expect(nothing.count == 0 && nothing.sum == 0)
    }

    /// Whatever a damaged header claims, the answer is a model or an error.
    @Test func damagedGGUFHeadersNeverCrash() throws {
        try withTemporaryFolder { folder in
            let path = "\(folder)/model.gguf"
            try writeGGUF(of: ModelSource(path: GoldenFolder("llama-rope-llama3").path), to: path)
            let original = try MappedFile(path: path).withBytes { Array($0) }
            var random = Models.SeededRandom(seed: 11)
            var failures = 0
            for round in 0..<200 {
                var bytes = original
                for _ in 0..<1 + round % 3 {
                    bytes[Int.random(in: 24..<2400, using: &random)] = UInt8.random(
                        in: 0...255, using: &random)
                }
                // A new file each time: the previous one may still be mapped.
                let damaged = "\(folder)/\(round).gguf"
                try Data(bytes).write(to: URL(fileURLWithPath: damaged))
                do {
                    _ = try load(damaged).logits(PackedSequences([[1, 2, 3]]))
                } catch is InputError {
                    failures += 1
                }
            }
            #expect(failures > 50)
        }
    }
}
