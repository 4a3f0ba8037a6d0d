// Tiny Llamas against transformers: logits and loss, in f32 and bf16, from safetensors and from GGUF.

import Checkpoints
import FileSupport
import Models
import TensorEngine
import TestSupport
import Testing

@Suite("Llama logits and losses agree with transformers")
struct LlamaGoldenTests {
    static let folders = [
        "llama-mha-untied", "llama-gqa-tied", "llama-rope-llama3", "llama-rope-linear-bias",
        "llama-explicit-head-width",
    ]

    private func model(_ path: String, _ type: ElementType = .float32) throws -> CausalLM {
        try CausalLM(ModelSource(path: path), computeType: type, backend: CPUBackend())
    }

    /// Errors of f32 arithmetic in another order on logits of magnitude 5 stay below 1e-4.
    @Test("logits of each sequence", arguments: folders)
    func logits(folder: String) throws {
        let golden = GoldenFolder(folder)
        let expected = try golden.tensors()
        let model = try model(golden.path)
        for index in 0..<2 {
            let logits = try model.logits(PackedSequences([expected.integers("tokens.\(index)")]))
            #expect(try largestDifference(logits, expected.floats("logits.\(index)")) < 1e-4)
        }
    }

    @Test("sequences laid end to end do not see each other", arguments: folders)
    func packed(folder: String) throws {
        let golden = GoldenFolder(folder)
        let expected = try golden.tensors()
        let sequences = try (0..<2).map { try expected.integers("tokens.\($0)") }
        let logits = try model(golden.path).logits(PackedSequences(sequences))
        let reference = try expected.floats("logits.0") + expected.floats("logits.1")
        #expect(largestDifference(logits, reference) < 1e-4)
    }

    @Test("only the rows asked for come out, and they are the same", arguments: folders)
    func outputRows(folder: String) throws {
        let golden = GoldenFolder(folder)
        let expected = try golden.tensors()
        let sequences = try (0..<2).map { try expected.integers("tokens.\($0)") }
        let rows = [0, 2, 3, Int32(sequences[0].count), Int32(sequences[0].count + sequences[1].count - 1)]
        let model = try model(golden.path)
        let logits = try model.logits(PackedSequences(sequences, outputRows: rows))
        let reference = try expected.floats("logits.0") + expected.floats("logits.1")
        let vocabulary = model.configuration.vocabularySize
        let selected = rows.flatMap { reference[Int($0) * vocabulary..<Int($0 + 1) * vocabulary] }
        #expect(largestDifference(logits, selected) < 1e-4)
    }

    @Test("the loss over labelled tokens", arguments: folders)
    func loss(folder: String) throws {
        let golden = GoldenFolder(folder)
        let expected = try golden.tensors()
        let batch = try LabelledBatch(expected, count: 2)
        let model = try model(golden.path)
        let tape = Tape(backend: model.backend, isRecording: false)
        let result = try model.loss(
            PackedSequences(batch.sequences), labels: batch.labels, gradientScale: 1, on: tape)
        let mean = Float(result.sum / Double(result.count))
        #expect(try abs(mean - expected.floats("loss")[0]) < 1e-5)
    }

    /// bf16 keeps 8 bits: weights and activations are off by up to 0.4% each, logits of magnitude 5 by some hundredths.
    @Test("bf16 stays close to f32", arguments: folders)
    func bfloat16(folder: String) throws {
        let golden = GoldenFolder(folder)
        let expected = try golden.tensors()
        let logits = try model(golden.path, .bfloat16).logits(
            PackedSequences([expected.integers("tokens.0")]))
        let reference = try expected.floats("logits.0")
        let squares = zip(logits, reference).reduce(Float(0)) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
        #expect((squares / Float(reference.count)).squareRoot() < 0.05)
    }

    @Test("the same model as GGUF gives the same logits", arguments: folders)
    func gguf(folder: String) throws {
        let golden = GoldenFolder(folder)
        let expected = try golden.tensors()
        try withTemporaryFolder { temporary in
            let path = "\(temporary)/model.gguf"
            try writeGGUF(of: ModelSource(path: golden.path), to: path)
            let logits = try model(path).logits(PackedSequences([expected.integers("tokens.1")]))
            #expect(try largestDifference(logits, expected.floats("logits.1")) < 1e-4)
        }
    }
}
