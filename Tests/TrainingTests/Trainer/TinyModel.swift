// A language model of one layer, small enough for tests and trained through the real engine.

import FileSupport
import Foundation
@testable import TensorEngine

@testable import Training

/// hidden = tokens' embedding through a frozen linear layer with a low-rank pair; logits = hidden through a head.
final class TinyModel: TrainableModel {
    static let vocabulary = 12
    static let width = 8

    let parameters: [Parameter]
    private let table: Tensor
    private let weight: FrozenWeight
    private let head: FrozenWeight
    private let pair: LowRankPair
    private let backend: any Backend

    /// Called before every loss; tests make it misbehave here.
    var beforeLoss: (_ call: Int) -> Void = { _ in }
    /// Replaces the sum of losses when it gives a value.
    var lossOverride: (_ call: Int) -> Double? = { _ in nil }
    private var calls = 0

    init(dropout: Float = 0, backend: any Backend) {
        var generator = SeededGenerator(seed: 5)
        func random(_ rows: Int, _ columns: Int) -> Tensor {
            let values = (0..<rows * columns).map { _ in
                Float(Double(generator.next() >> 11) * 0x1p-53 - 0.5)
            }
            return backend.upload(values, rowCount: rows, width: columns, type: .float32)
        }
        self.backend = backend
        table = random(Self.vocabulary, Self.width)
        weight = FrozenWeight(random(Self.width, Self.width))
        head = FrozenWeight(random(Self.vocabulary, Self.width))
        let a = Parameter(name: "layer.lora_A.weight", value: random(2, Self.width))
        let b = Parameter(name: "layer.lora_B.weight", value: random(Self.width, 2))
        pair = LowRankPair(a: a, b: b, scale: 2, dropoutRate: dropout)
        parameters = [a, b]
    }

    func loss(
        _ batch: Batch, gradientScale: Float, on tape: Tape, dropoutSeed: UInt64
    ) throws(InputError) -> LossResult {
        calls += 1
        beforeLoss(calls)
        let embedded = tape.embedding(backend.upload(batch.tokens), table: table, type: .float32)
        let hidden = tape.linear(embedded, weight, adapter: pair, dropoutSeed: dropoutSeed)
        let result = tape.crossEntropy(
            hidden, head: head, labels: backend.upload(batch.labels), gradientScale: gradientScale)
        guard let replaced = lossOverride(calls) else { return result }
        return LossResult(sum: replaced, count: result.count, rowLosses: result.rowLosses)
    }

    /// All values, so that tests can compare what was saved.
    func saveAdapter(to folder: String) throws(InputError) {
        let text = parameters.map { "\($0.name) \(backend.download($0.value))" }.joined(separator: "\n")
        try AtomicFile.write(to: "\(folder)/adapter.txt", text: text)
    }

    var values: [[Float]] { parameters.map { backend.download($0.value) } }
    var gradients: [[Float]] { parameters.map { $0.gradient.map { backend.download($0) } ?? [] } }
}

/// Examples whose lengths and shares of labels differ.
func tinyExamples(_ count: Int, seed: UInt64 = 3) -> [TokenizedExample] {
    var generator = SeededGenerator(seed: seed)
    return (0..<count).map { _ in
        let length = 3 + generator.below(6)
        let tokens = (0..<length).map { _ in Int32(generator.below(TinyModel.vocabulary)) }
        let prompt = 1 + generator.below(length - 1)
        return TokenizedExample(tokens: tokens, isLabelled: tokens.indices.map { $0 >= prompt })
    }
}
