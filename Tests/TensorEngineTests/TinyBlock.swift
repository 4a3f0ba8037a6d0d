// A whole decoder block with adapters and loss, for checks of the engine as training uses it.

import TensorEngine
import TestSupport

/// Embedding, attention, SwiGLU and loss, in one element type, with the same weights for the same seed.
final class TinyBlock {
    let backend: CPUBackend
    let type: ElementType
    let sequenceLengths: [Int]
    let parameters: [Parameter]
    private let modelWidth: Int
    private let headWidth: Int
    private let shape: AttentionShape
    private let table: RotaryTable
    private let tokens: Tensor
    private let positions: Tensor
    private let labels: Tensor
    private let outputRows: Tensor
    private let embedding: Tensor
    private let norm: Tensor
    private let query: FrozenWeight
    private let key: FrozenWeight
    private let value: FrozenWeight
    private let attentionOutput: FrozenWeight
    private let gate: FrozenWeight
    private let up: FrozenWeight
    private let down: FrozenWeight
    private let head: FrozenWeight

    init(
        type: ElementType, sequenceLengths: [Int] = [9, 5], headCount: Int = 4, headWidth: Int = 8,
        pool: MemoryPool = .shared
    ) {
        self.type = type
        self.sequenceLengths = sequenceLengths
        self.headWidth = headWidth
        let modelWidth = headCount * headWidth
        self.modelWidth = modelWidth
        let (vocabulary, feedForwardWidth, rank) = (50, 3 * modelWidth, 4)
        var random = SeededRandom(seed: 42)
        let backend = CPUBackend(pool: pool)
        self.backend = backend
        func tensor(_ rows: Int, _ width: Int, type: ElementType, limit: Float) -> Tensor {
            random.tensor(rows, width, limit: limit, type: type, on: backend)
        }
        // Scaled so that every layer's output is of the size of its input.
        let limit = (3 / Float(modelWidth)).squareRoot()
        func weight(_ output: Int, _ input: Int, _ layout: FrozenWeight.Layout = .outputRows) -> FrozenWeight
        {
            let (rows, width) = layout == .outputRows ? (output, input) : (input, output)
            return FrozenWeight(tensor(rows, width, type: type, limit: limit), layout: layout)
        }
        embedding = tensor(vocabulary, modelWidth, type: type, limit: 1)
        norm = tensor(1, modelWidth, type: .float32, limit: 1)
        query = weight(modelWidth, modelWidth)
        key = weight(modelWidth / 2, modelWidth)
        value = weight(modelWidth / 2, modelWidth)
        attentionOutput = weight(modelWidth, modelWidth, .inputRows)
        gate = weight(feedForwardWidth, modelWidth)
        up = weight(feedForwardWidth, modelWidth)
        down = weight(modelWidth, feedForwardWidth, .inputRows)
        head = weight(vocabulary, modelWidth)
        // A and B of the query, value and output projections.
        parameters = [(modelWidth, "q"), (modelWidth / 2, "v"), (modelWidth, "o")].flatMap { width, name in
            [
                Parameter(
                    name: "\(name).A", value: tensor(rank, modelWidth, type: .float32, limit: limit)),
                Parameter(name: "\(name).B", value: tensor(width, rank, type: .float32, limit: 0.5)),
            ]
        }
        let count = sequenceLengths.reduce(0, +)
        shape = attentionShape(
            lengths: sequenceLengths, headCount: headCount, keyValueHeadCount: headCount / 2,
            headWidth: headWidth, on: backend)
        table = rotaryTable(positions: count, width: headWidth, on: backend)
        positions = backend.upload(sequenceLengths.flatMap { (0..<Int32($0)).map { $0 } })
        tokens = backend.upload((0..<Int32(count)).map { $0 * 7 % Int32(vocabulary) })
        let scored = (0..<Int32(count)).filter { $0 % 3 != 1 }
        outputRows = backend.upload(scored)
        labels = backend.upload(scored.map { $0 % 5 == 0 ? -1 : $0 * 11 % Int32(vocabulary) })
    }

    /// Forward and, on a recording tape, backward. Dropout on the adapters' inputs when `dropoutRate` is positive.
    func run(dropoutRate: Float = 0, isRecording: Bool = true) -> LossResult {
        let tape = Tape(backend: backend, isRecording: isRecording)
        let pairs = stride(from: 0, to: parameters.count, by: 2).map {
            LowRankPair(a: parameters[$0], b: parameters[$0 + 1], scale: 2, dropoutRate: dropoutRate)
        }
        let stream = tape.embedding(tokens, table: embedding, type: type)
        let input = tape.rmsNorm(stream, weight: norm, offset: 1, epsilon: 1e-5)
        let q = tape.rotary(
            tape.linear(input, query, adapter: pairs[0], dropoutSeed: 1), headWidth: headWidth, table: table,
            positions: positions)
        let k = tape.rotary(
            tape.linear(input, key), headWidth: headWidth, table: table, positions: positions)
        let v = tape.linear(input, value, adapter: pairs[1], dropoutSeed: 2)
        let mixed = tape.linear(
            tape.attention(q, k, v, shape: shape), attentionOutput, adapter: pairs[2], dropoutSeed: 3)
        let middle = tape.add(stream, mixed)
        let normalised = tape.rmsNorm(middle, weight: norm, offset: 1, epsilon: 1e-5)
        let product = tape.gated(
            tape.linear(normalised, gate), tape.linear(normalised, up), activation: .silu)
        let output = tape.selectRows(tape.add(middle, tape.linear(product, down)), outputRows)
        let loss = tape.crossEntropy(
            tape.rmsNorm(output, weight: norm, offset: 1, epsilon: 1e-5), head: head, labels: labels,
            gradientScale: 0.1, block: (rows: 5, columns: 30))
        tape.backward()
        return loss
    }

    /// Every parameter's gradient, in order; empty where there is none.
    var gradients: [[Float]] { parameters.map { $0.gradient.map(backend.download) ?? [] } }

    func clearGradients() {
        for parameter in parameters { parameter.clearGradient() }
    }
}
