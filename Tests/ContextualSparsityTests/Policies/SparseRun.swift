// A tiny model of the goldens with its adapter, and passes over a batch with a policy.

import Adapters
import ContextualSparsity
import FileSupport
import Models
import TensorEngine
import TestSupport
import Testing

struct SparseRun {
    let fingerprint: String
    let model: CausalLM
    let adapters: AdapterSet
    var backend: any Backend { model.backend }

    /// Grouped queries; biases at q, k and v; heads whose widths do not add up to the model's.
    static let models = ["llama", "qwen2", "qwen3"]

    init(_ name: String) throws {
        let (model, adapter) =
            name == "llama"
            ? ("lora/model", "lora/all-linear") : ("family-\(name)", "family-\(name)/adapter")
        try self.init(model: model, adapter: adapter)
    }

    init(model path: String, adapter: String) throws {
        let source = try ModelSource(path: GoldenFolder(path).path)
        fingerprint = try ModelFingerprint.of(source)
        model = try CausalLM(source, computeType: .float32, backend: CPUBackend())
        adapters = try AdapterSet.load(GoldenFolder(adapter).path, into: model)
    }

    var layers: Range<Int> { 0..<model.configuration.layerCount }

    func plan(_ method: SparsityPlan.Method, feedForward: Double = 0.6, attention: Double = 0.5)
        -> SparsityPlan
    {
        .uniform(feedForward: feedForward, attention: attention, layers: layers, method: method)
    }

    /// Sequences of several lengths with prompts of several lengths.
    static func batch(_ lengths: [(tokens: Int, prompt: Int)] = [(17, 9), (26, 20), (8, 3)]) -> Examples {
        var random = TestSupport.SeededRandom(seed: 11)
        return Examples(
            sequences: lengths.map { length in
                (0..<length.tokens).map { _ in Int32(random.next() % 157) + 3 }
            }, prompts: lengths.map(\.prompt))
    }

    struct Examples {
        let sequences: [[Int32]]
        let prompts: [Int]

        /// The row before a trained token is scored.
        var labels: [Int32] {
            zip(sequences, prompts).flatMap { tokens, prompt in
                tokens.indices.map { $0 + 1 >= prompt && $0 + 1 < tokens.count ? tokens[$0 + 1] : -100 }
            }
        }

        func only(_ index: Int) -> Examples {
            Examples(sequences: [sequences[index]], prompts: [prompts[index]])
        }
    }

    struct Result {
        let loss: Double
        /// By adapter tensor.
        let gradients: [String: [Float]]
    }

    /// The summed loss and the gradient of every adapter tensor.
    func train(
        _ sequences: [[Int32]], labels: [Int32], policy: (any SparsityPolicy)?, sharesPrefixes: Bool = true
    ) throws -> Result {
        for parameter in adapters.parameters { parameter.clearGradient() }
        let tape = Tape(backend: backend)
        let loss = try model.loss(
            PackedSequences(sequences), labels: labels, gradientScale: 1, on: tape, policy: policy,
            sharesPrefixes: sharesPrefixes)
        tape.backward()
        var gradients: [String: [Float]] = [:]
        for parameter in adapters.parameters {
            gradients[parameter.name] = try backend.download(#require(parameter.gradient))
        }
        return Result(loss: loss.sum, gradients: gradients)
    }

    func train(_ examples: Examples, policy: (any SparsityPolicy)?) throws -> Result {
        try train(examples.sequences, labels: examples.labels, policy: policy)
    }
}

extension SparseRun.Result {
    /// The largest relative deviation of the loss and of any tensor's gradient.
    func deviation(from other: Self) -> Double {
        precondition(gradients.keys == other.gradients.keys, "gradients of other tensors")
        return gradients.reduce(abs(loss - other.loss) / abs(other.loss)) { worst, entry in
            max(worst, relativeError(entry.value, other.gradients[entry.key] ?? []))
        }
    }

    static func == (left: Self, right: Self) -> Bool {
        left.loss == right.loss && left.gradients == right.gradients
    }
}
