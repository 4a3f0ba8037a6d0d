// Merging: the merged model computes what the adapted one does.

import Adapters
import Checkpoints
import FileSupport
import Foundation
import Models
import TensorEngine
import TestSupport
import Testing

@Suite("Merging an adapter")
struct MergeTests {
    private let golden = GoldenFolder("lora/all-linear")
    private let source: ModelSource
    private let sequence: [Int32]
    private let reference: [Float]

    init() throws {
        source = try ModelSource(path: GoldenFolder("lora/model").path)
        sequence = try golden.tensors().integers("tokens.1")
        reference = try golden.tensors().floats("logits.1")
    }

    private func model(_ source: ModelSource) throws -> CausalLM {
        try CausalLM(source, computeType: .float32, backend: CPUBackend())
    }

    @Test("in memory leaves the logits as they were, without adapters")
    func inMemory() throws {
        let model = try model(source)
        let adapters = try AdapterSet.load(golden.path, into: model)
        adapters.merge(into: model)
        #expect(model.linears.allSatisfy { $0.adapter == nil })
        #expect(try largestDifference(model.logits(PackedSequences([sequence])), reference) < 1e-4)
    }

    @Test(
        "into a folder gives a model with the same logits, whether one file or many",
        arguments: [1 << 30, 40_000])
    func folder(shardBytes: Int) throws {
        let model = try model(source)
        let adapters = try AdapterSet.load(golden.path, into: model)
        try withTemporaryFolder { temporary in
            let folder = "\(temporary)/merged"
            try adapters.writeMerged(
                source, to: folder, backend: model.backend, maximumShardBytes: shardBytes
            ) { _ throws(InputError) in }
            let merged = try ModelSource(path: folder)
            #expect(merged.configuration == source.configuration)
            let logits = try self.model(merged).logits(PackedSequences([sequence]))
            #expect(largestDifference(logits, reference) < 1e-4)
        }
    }

    @Test("as bf16 says so in config.json and rounds each weight once")
    func storedType() throws {
        let model = try model(source)
        let adapters = try AdapterSet.load(golden.path, into: model)
        try withTemporaryFolder { temporary in
            let folder = "\(temporary)/merged"
            try adapters.writeMerged(source, to: folder, backend: model.backend, as: .bfloat16) {
                _ throws(InputError) in
            }
            #expect(try JSONParser.parse(fileAt: "\(folder)/config.json")["dtype"] == .string("bfloat16"))
            let name = "model.layers.1.mlp.down_proj.weight"
            let stored = try ModelSource(path: folder).weights.tensor(named: name)
            #expect(stored.type == .bfloat16)
            adapters.merge(into: model)
            let linear = try #require(model.linears.first { "\($0.name).weight" == name })
            // In memory down projections are stored transposed.
            let exact = model.backend.download(linear.weight.tensor.transposed())
            for (rounded, value) in zip(try stored.float32Values(), exact) {
                #expect(abs(rounded - value) <= abs(value) / 256)
            }
        }
    }

    @Test("refuses a folder that holds something, and leaves nothing behind")
    func occupied() throws {
        let model = try model(source)
        let adapters = try AdapterSet.load(golden.path, into: model)
        try withTemporaryFolder { temporary in
            try AtomicFile.write(to: "\(temporary)/notes.txt", text: "mine")
            let error = #expect(throws: InputError.self) {
                try adapters.writeMerged(source, to: temporary, backend: model.backend) {
                    _ throws(InputError) in
                }
            }
            #expect(error?.problem == "this folder is not empty")
            #expect(FileStatus(path: "\(temporary)/config.json") == .missing)
        }
    }

    @Test("of a GGUF model gives a Hugging Face folder with its configuration")
    func gguf() throws {
        try withTemporaryFolder { temporary in
            let path = "\(temporary)/model.gguf"
            try writeGGUF(of: source, to: path, extraMetadata: [("tokenizer.ggml.eos_token_id", .uint32(2))])
            let ggufSource = try ModelSource(path: path)
            let model = try model(ggufSource)
            let adapters = try AdapterSet.load(golden.path, into: model)
            let folder = "\(temporary)/merged"
            var asked: [String] = []
            try adapters.writeMerged(ggufSource, to: folder, backend: model.backend) {
                partial throws(InputError) in
                asked.append(partial)
                try AtomicFile.write(to: "\(partial)/tokenizer.json", text: "{}")
            }
            #expect(asked.count == 1 && FileStatus(path: "\(folder)/tokenizer.json") == .file)
            let merged = try ModelSource(path: folder)
            #expect(merged.configuration == source.configuration && merged.endTokens == [2])
            #expect(
                try largestDifference(self.model(merged).logits(PackedSequences([sequence])), reference)
                    < 1e-4)
        }
    }

    @Test("leaves nothing behind when the tokenizer cannot be written")
    func failing() throws {
        try withTemporaryFolder { temporary in
            let path = "\(temporary)/model.gguf"
            try writeGGUF(of: source, to: path)
            let ggufSource = try ModelSource(path: path)
            let model = try model(ggufSource)
            let adapters = try AdapterSet.load(golden.path, into: model)
            let problem = InputError("tokenizer", "cannot be written")
            #expect(throws: problem) {
                try adapters.writeMerged(ggufSource, to: "\(temporary)/merged", backend: model.backend) {
                    _ throws(InputError) in
                    throw problem
                }
            }
            #expect(try FileManager.default.contentsOfDirectory(atPath: temporary) == ["model.gguf"])
        }
    }
}
