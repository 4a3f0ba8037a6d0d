// The paper's estimator against its definition, and at full rank against the oracle.

import ContextualSparsity
import TensorEngine
import TestSupport
import Testing

@Suite struct SingularValueEstimatorTests {
    private let backend = CPUBackend()
    private let inputWidth = 12

    private func matrix(_ tensor: Tensor) -> SmallMatrix { SmallMatrix(downloading: tensor, from: backend) }

    /// The dense layer on some rows, in double precision.
    private func dense(_ x: Tensor, _ weight: FrozenWeight, bias: Tensor? = nil, rows: [Int32]) -> SmallMatrix
    {
        let input = matrix(x)
        let selected = input.transposed.columns(rows.map { Int($0) }).transposed
        let stored = matrix(weight.tensor)
        var result = selected.times(weight.layout == .outputRows ? stored.transposed : stored)
        if let bias = bias.map({ backend.download($0) }) {
            for row in 0..<rows.count {
                for column in 0..<result.width { result[row, column] += Double(bias[column]) }
            }
        }
        return result
    }

    private func norms(_ matrix: SmallMatrix) -> [Float] {
        (0..<matrix.width).map { column in
            Float(
                (0..<matrix.rowCount).reduce(0) { $0 + matrix[$1, column] * matrix[$1, column] }.squareRoot())
        }
    }

    private func kept(_ scores: [Float], _ count: Int) -> [Int32] {
        let uploaded = backend.upload(scores, rowCount: 1, width: scores.count, type: .float32)
        return backend.downloadIndices(backend.selectLargest(uploaded, count: count).kept)
    }

    private func gated(_ gate: SmallMatrix, _ up: SmallMatrix) -> SmallMatrix {
        let product = backend.makeTensor(rowCount: gate.rowCount, width: gate.width, type: .float32)
        backend.gate(
            .silu, gate: gate.uploaded(to: backend), up: up.uploaded(to: backend), rows: nil, into: product)
        return matrix(product)
    }

    private struct Block {
        var gate: FrozenWeight
        var up: FrozenWeight
        var x: Tensor
        var estimator: FeedForwardEstimator
    }

    private func feedForward(rank: Int) -> Block {
        var random = SeededRandom(seed: 1)
        let gate = FrozenWeight(random.tensor(40, inputWidth, on: backend))
        let up = FrozenWeight(random.tensor(40, inputWidth, on: backend))
        return Block(
            gate: gate, up: up, x: random.tensor(24, inputWidth, on: backend),
            estimator: FeedForwardEstimator(
                gate: LowRankProjection(of: gate, rank: rank, on: backend),
                up: LowRankProjection(of: up, rank: rank, on: backend), activation: .silu))
    }

    @Test func `at full rank and without averaging the feed-forward set is the oracle's`() {
        let block = feedForward(rank: 100)
        #expect(block.estimator.gate.rank == inputWidth)
        let rows: [Int32] = [2, 3, 5, 8, 13, 21]
        let oracle = norms(
            gated(dense(block.x, block.gate, rows: rows), dense(block.x, block.up, rows: rows)))
        let scores = block.estimator.unaveragedScores(block.x, rows: backend.upload(rows), on: backend)
        expectClose(scores, oracle, absolute: 2e-4, relative: 1e-4)
        for count in [1, 10, 20, 39] { #expect(kept(scores, count) == kept(oracle, count)) }
    }

    @Test func `averaged scores are the norm over sequences of the activation of each mean`() {
        let block = feedForward(rank: inputWidth)
        let sequences: [[Int32]] = [[0, 1, 2], [], [9], [10, 12, 14, 16, 18]]
        let input = matrix(block.x)
        let filled = sequences.filter { !$0.isEmpty }
        var means = SmallMatrix(zeros: filled.count, inputWidth)
        for (index, rows) in filled.enumerated() {
            for column in 0..<inputWidth {
                means[index, column] = rows.reduce(0) { $0 + input[Int($1), column] } / Double(rows.count)
            }
        }
        let uploaded = means.uploaded(to: backend)
        let all = (0..<Int32(filled.count)).map { $0 }
        let expected = norms(
            gated(dense(uploaded, block.gate, rows: all), dense(uploaded, block.up, rows: all)))
        let scores = block.estimator.scores(
            block.x, sequences: sequences.map { backend.upload($0) }, on: backend)
        expectClose(scores, expected, absolute: 2e-4, relative: 1e-4)
        #expect(block.estimator.scores(block.x, sequences: [], on: backend).allSatisfy { $0 == 0 })
    }

    @Test(arguments: [false, true], [true, false])
    func `at full rank attention's scores are the oracle's, grouped as heads are`(
        hasBias: Bool, storesOutputRows: Bool
    ) {
        let layout = HeadLayout(headCount: 6, keyValueHeadCount: 2, headWidth: 4)
        var random = SeededRandom(seed: 2)
        let x = random.tensor(24, inputWidth, on: backend)
        var weights: [FrozenWeight] = []
        var biases: [Tensor?] = []
        for outputs in [layout.queryWidth, layout.keyValueWidth, layout.keyValueWidth] {
            weights.append(
                storesOutputRows
                    ? FrozenWeight(random.tensor(outputs, inputWidth, on: backend))
                    : FrozenWeight(random.tensor(inputWidth, outputs, on: backend), layout: .inputRows))
            biases.append(hasBias ? random.tensor(1, outputs, on: backend) : nil)
        }
        let factors = zip(weights, biases).map {
            LowRankProjection(of: $0, bias: $1, rank: inputWidth, on: backend)
        }
        let estimator = AttentionEstimator(
            query: factors[0], key: factors[1], value: factors[2], on: backend)
        let rows: [Int32] = [0, 4, 5, 6, 7, 11, 20]
        let oracle = zip(weights, biases).map { norms(dense(x, $0, bias: $1, rows: rows)) }
        let oracleScores = layout.attentionScores(queryNorms: oracle[0], keyNorms: oracle[1])
        let scores = estimator.scores(x, rows: backend.upload(rows), on: backend)
        expectClose(scores.queryNorms, oracle[0], absolute: 2e-4, relative: 1e-4, "query")
        expectClose(scores.valueNorms, oracle[2], absolute: 2e-4, relative: 1e-4, "value")
        let queryKey = layout.attentionScores(queryNorms: scores.queryNorms, keyNorms: scores.keyNorms)
        for count in 1...7 {
            #expect(kept(queryKey, count) == kept(oracleScores, count))
            #expect(kept(scores.valueNorms, count) == kept(oracle[2], count))
        }
    }

    @Test func `low rank gives the norms of the low-rank outputs`() {
        var random = SeededRandom(seed: 3)
        let weight = FrozenWeight(random.tensor(30, inputWidth, on: backend))
        let projection = LowRankProjection(
            of: weight, bias: random.tensor(1, 30, on: backend), rank: 3, on: backend)
        let x = random.tensor(24, inputWidth, on: backend)
        let rows = backend.upload([1, 2, 3, 20])
        let expected = norms(matrix(projection(x, rows: rows, on: backend)))
        expectClose(
            ColumnNorms.norms(of: x, rows: rows, through: projection, on: backend), expected, absolute: 1e-3,
            relative: 1e-4)
    }
}
