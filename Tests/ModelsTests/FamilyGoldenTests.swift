// Tiny models of every family against transformers and PEFT in f32: logits, loss, adapter gradients, GGUF, export.

import Adapters
import Checkpoints
import FileSupport
import TensorEngine
import TestSupport
import Testing

@testable import Models

@Suite("Families agree with transformers and PEFT")
struct FamilyGoldenTests {
    static let folders = [
        "llama", "llama-dynamic", "llama-yarn", "mistral", "qwen2", "qwen2-windows", "qwen3",
        "qwen3-bias-windows", "qwen3-yarn-options", "gemma", "gemma2", "gemma3", "gemma3-older-config",
        "gemma3-wrapped",
        "phi3", "phi3-longrope", "smollm3", "smollm3-windows", "olmo2", "olmo3", "granite",
    ]
    /// The rest have traits that GGUF metadata of their architecture cannot say.
    static let foldersForGGUF = folders.filter {
        FileStatus(path: GoldenFolder("family-\($0)").file("model.gguf")) == .file
    }

    struct Run {
        let source: ModelSource
        let model: CausalLM
        let expected: GoldenTensors
        let batch: LabelledBatch
        let golden: GoldenFolder

        /// - Parameter path: the same model in another file.
        init(_ name: String, path: String? = nil) throws {
            golden = GoldenFolder("family-\(name)")
            source = try ModelSource(path: path ?? golden.path)
            model = try CausalLM(source, computeType: .float32, backend: CPUBackend())
            expected = try golden.tensors()
            batch = try LabelledBatch(expected, count: 2)
        }

        func loadAdapter() throws -> AdapterSet {
            try AdapterSet.load(golden.file("adapter"), into: model)
        }

        func checkLogits(_ kind: String) throws {
            let logits = try model.logits(PackedSequences(batch.sequences))
            let reference = try expected.floats("\(kind).0") + expected.floats("\(kind).1")
            let error = relativeError(logits, reference)
            #expect(error < 1e-5 && largestDifference(logits, reference) < 1e-4, "\(kind): \(error)")
        }

        /// The summed loss and the gradient of every adapter tensor.
        func checkTraining() throws {
            let adapters = try loadAdapter()
            try checkLogits("adapted_logits")
            let tape = Tape(backend: model.backend)
            let result = try model.loss(
                PackedSequences(batch.sequences), labels: batch.labels, gradientScale: 1, on: tape)
            tape.backward()
            let loss = try Double(expected.floats("loss")[0])
            #expect(abs(result.sum - loss) < 1e-5 * loss)
            let names = expected.names.filter { $0.hasPrefix("gradient.") }
            #expect(Set(names) == Set(adapters.parameters.map { "gradient.\($0.name)" }))
            var worst = 0.0
            for parameter in adapters.parameters {
                let gradient = model.backend.download(try #require(parameter.gradient))
                let error = try relativeError(gradient, expected.floats("gradient.\(parameter.name)"))
                worst = max(worst, error)
                #expect(error < 1e-4, "\(parameter.name)")
            }
            #expect(worst > 0)
        }
    }

    @Test("logits, loss and adapter gradients", arguments: folders)
    func huggingFace(name: String) throws {
        let run = try Run(name)
        try run.checkLogits("logits")
        try run.checkTraining()
    }

    @Test("the same through GGUF, whose configuration is the same", arguments: foldersForGGUF)
    func gguf(name: String) throws {
        let golden = GoldenFolder("family-\(name)")
        let source = try ModelSource(path: golden.path)
        let run = try Run(name, path: golden.file("model.gguf"))
        var configuration = run.source.configuration
        if case .divisors(let divisors) = configuration.rotary.scaling {
            // These are not of a published Llama 3, so they stay what the file holds.
            for (one, other) in zip(configuration.rotary.frequencies, source.configuration.rotary.frequencies)
            {
                #expect(abs(one - other) <= 1e-6 * other)
            }
            #expect(divisors.count == configuration.headWidth / 2)
            configuration.rotary = source.configuration.rotary
        }
        #expect(configuration == source.configuration)
        #expect(run.source.family.modelType == source.family.modelType)
        try run.checkLogits("logits")
        try run.checkTraining()
    }

    /// The tiny Llama's divisors are not those of a published one, so config.json cannot hold them.
    @Test(
        "a merged GGUF model is the same model as a Hugging Face folder",
        arguments: foldersForGGUF.filter { $0 != "llama" })
    func merged(name: String) throws {
        try withTemporaryFolder { temporary in
            let run = try Run(name, path: GoldenFolder("family-\(name)").file("model.gguf"))
            let folder = "\(temporary)/merged"
            try run.loadAdapter().writeMerged(
                run.source, to: folder, backend: run.model.backend, as: .float32
            ) {
                partial throws(InputError) in
                try AtomicFile.write(to: "\(partial)/tokenizer.json", text: "{}")
            }
            let merged = try Run(name, path: folder)
            #expect(merged.source.configuration == run.source.configuration)
            try merged.checkLogits("adapted_logits")
        }
    }

    @Test("a merged folder is the same model", arguments: folders)
    func mergedFolder(name: String) throws {
        try withTemporaryFolder { temporary in
            let run = try Run(name)
            let folder = "\(temporary)/merged"
            try run.loadAdapter().writeMerged(run.source, to: folder, backend: run.model.backend) {
                _ throws(InputError) in
            }
            let merged = try Run(name, path: folder)
            #expect(Set(merged.source.weights.tensorNames) == Set(run.source.weights.tensorNames))
            try merged.checkLogits("adapted_logits")
        }
    }

    @Test("bf16 stays close to f32", arguments: folders)
    func bfloat16(name: String) throws {
        let run = try Run(name)
        let model = try CausalLM(run.source, computeType: .bfloat16, backend: CPUBackend())
        let logits = try model.logits(PackedSequences([run.batch.sequences[1]]))
        #expect(try relativeError(logits, run.expected.floats("logits.1")) < 0.02)
    }
}
