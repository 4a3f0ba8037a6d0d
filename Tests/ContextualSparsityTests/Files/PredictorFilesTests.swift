// Predictor folders: what is written reads back, and what does not suit the model is refused.

import Checkpoints
import ContextualSparsity
import FileSupport
import Foundation
import Models
import TestSupport
import Testing

@Suite struct PredictorFilesTests {
    private func factors(_ output: Int, _ random: inout TestSupport.SeededRandom) -> LowRankFactors {
        // Eighths are exact in bf16.
        func values(_ count: Int) -> [Float] { random.floats(count, limit: 8).map { ($0 * 8).rounded() / 8 } }
        return LowRankFactors(
            inputWidth: 4, rank: 2, outputWidth: output, w1: values(8), w2: values(2 * output))
    }

    private func predictors() -> SparsityPredictors {
        var random = TestSupport.SeededRandom(seed: 1)
        var predictors = SparsityPredictors(rank: 2, baseModel: "some/model", fingerprint: "00ff")
        predictors.feedForward[1] = .init(gate: factors(6, &random), up: factors(6, &random))
        predictors.attention[0] = .init(
            query: factors(4, &random), key: factors(2, &random), value: factors(2, &random))
        return predictors
    }

    @Test(arguments: [StoredType.bfloat16, .float32])
    func `what is written reads back with its plans`(type: StoredType) throws {
        try withTemporaryFolder { folder in
            let plan = SparsityPlan(method: .paper, feedForward: [1: 0.5], attention: [0: 0.25])
            try PredictorFiles.write(
                predictors(), plans: [("o1", plan), ("o2", SparsityPlan())], layerCount: 2, type: type,
                to: folder)
            #expect(try PredictorFiles.read(folder, for: .tiny, fingerprint: "00ff") == predictors())
            let read = try SparsityPlan(contentsOf: folder, mode: "o1")
            #expect(read.feedForward == plan.feedForward && read.attention == plan.attention)
            #expect(read.rank == 2 && read.fingerprint == "00ff")
            let file = try SafetensorsFile(path: "\(folder)/model.safetensors")
            #expect(try file.tensor(named: "model.layers.1.mlp.gate_proj.w2").shape == [2, 6])
            #expect(try file.tensor(named: "model.layers.0.self_attn.k_proj.w1").shape == [4, 2])
        }
    }

    @Test func `factors that do not suit the model are refused`() throws {
        try withTemporaryFolder { folder in
            try PredictorFiles.write(predictors(), plans: [], layerCount: 2, to: folder)
            #expect(throws: InputError.self) {
                try PredictorFiles.read(folder, for: .tiny, fingerprint: "00fe")
            }
            var wider = DecoderConfiguration.tiny
            wider.feedForwardWidth = 7
            #expect(throws: InputError.self) { try PredictorFiles.read(folder, for: wider) }
            var shallower = DecoderConfiguration.tiny
            shallower.layerCount = 1
            #expect(throws: InputError.self) { try PredictorFiles.read(folder, for: shallower) }
            var other = predictors()
            other.rank = 3
            try PredictorFiles.write(other, plans: [], layerCount: 2, to: folder)
            #expect(throws: InputError.self) { try PredictorFiles.read(folder, for: .tiny) }
        }
    }

    @Test func `a fingerprint follows the weights`() throws {
        let goldens = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("Goldens")
        func fingerprint(_ path: String) throws -> String { try ModelFingerprint.of(ModelSource(path: path)) }
        let tied = goldens.appendingPathComponent("llama-gqa-tied")
        let own = try fingerprint(tied.path)
        #expect(own.count == 16)
        #expect(try fingerprint(goldens.appendingPathComponent("llama-mha-untied").path) != own)
        try withTemporaryFolder { folder in
            let names = ["config.json", "model.safetensors"]
            for name in names {
                try Data(contentsOf: tied.appendingPathComponent(name))
                    .write(to: URL(fileURLWithPath: "\(folder)/\(name)"))
            }
            #expect(try fingerprint(folder) == own)
            let file = URL(fileURLWithPath: "\(folder)/model.safetensors")
            var bytes = try Data(contentsOf: file)
            // The first byte after the header is the first of a tensor.
            let header = bytes.prefix(8).enumerated().reduce(0) { $0 + Int($1.element) << (8 * $1.offset) }
            bytes[8 + header] ^= 1
            try bytes.write(to: file)
            #expect(try fingerprint(folder) != own)
        }
    }
}
