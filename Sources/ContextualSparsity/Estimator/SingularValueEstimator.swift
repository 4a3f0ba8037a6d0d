// The paper's estimator: channel scores from low-rank factors of the frozen weights (arXiv 2506.16500, section 3.2).
//
// T rows of a block's normalised input x [T, D] come in; scores use the context rows alone.

package import TensorEngine

/// Scores the channels of a feed-forward block.
package struct FeedForwardEstimator {
    package let gate: LowRankProjection
    package let up: LowRankProjection
    package let activation: GateActivation

    package init(gate: LowRankProjection, up: LowRankProjection, activation: GateActivation) {
        precondition(
            gate.inputWidth == up.inputWidth && gate.outputWidth == up.outputWidth,
            "gate and up factors of different layers")
        self.gate = gate
        self.up = up
        self.activation = activation
    }

    /// The norm over sequences of what each channel makes of a sequence's mean context row: the activation of the mean,
    /// not the mean of activations.
    ///
    /// - Parameter sequences: the context rows of each sequence, int32; those without any are left out. Nil takes all
    ///   rows as one sequence.
    /// - Returns: [F]; zeros when there is no context row.
    package func scores(_ x: Tensor, sequences: [Tensor]? = nil, on backend: any Backend) -> [Float] {
        let rows: [Tensor?] = sequences.map { $0.filter { $0.count > 0 } } ?? [nil]
        guard !rows.isEmpty else { return [Float](repeating: 0, count: gate.outputWidth) }
        let means = backend.makeTensor(rowCount: rows.count, width: x.width, type: .float32)
        for (index, rows) in rows.enumerated() {
            let mean = means.rows(index..<index + 1)
            backend.columnSums(of: x, rows: rows, squared: false, into: mean)
            backend.copy(mean, scale: 1 / Float(max(1, rows?.count ?? x.rowCount)), into: mean)
        }
        return unaveragedScores(means, on: backend)
    }

    /// The norm over the rows (nil: all) themselves, without averaging: what the paper's oracle measures, estimated.
    ///
    /// - Returns: [F]
    package func unaveragedScores(_ x: Tensor, rows: Tensor? = nil, on backend: any Backend) -> [Float] {
        let gated = gate(x, rows: rows, on: backend)
        backend.gate(activation, gate: gated, up: up(x, rows: rows, on: backend), rows: nil, into: gated)
        return ColumnNorms.norms(of: gated, rows: nil, on: backend)
    }
}

/// Estimates how large the queries, keys and values of an attention block are, channel by channel.
package struct AttentionEstimator {
    package let query: LowRankProjection
    package let key: LowRankProjection
    package let value: LowRankProjection
    /// The first factors of query, key and value side by side, [D, 3 r].
    private let stackedDown: Tensor

    package init(
        query: LowRankProjection, key: LowRankProjection, value: LowRankProjection, on backend: any Backend
    ) {
        precondition(
            key.outputWidth == value.outputWidth && key.inputWidth == query.inputWidth
                && value.inputWidth == query.inputWidth,
            "factors for \(query.outputWidth), \(key.outputWidth) and \(value.outputWidth) channels")
        self.query = query
        self.key = key
        self.value = value
        let factors = [query, key, value].map(\.down)
        stackedDown = backend.makeTensor(
            rowCount: query.inputWidth, width: factors.reduce(0) { $0 + $1.width }, type: .float32)
        var start = 0
        for factor in factors {
            backend.copy(factor, scale: 1, into: stackedDown.columns(start..<start + factor.width))
            start += factor.width
        }
    }

    /// Norms over the context rows, without averaging.
    ///
    /// - Parameter rows: the context rows, int32; nil for all.
    package func scores(_ x: Tensor, rows: Tensor? = nil, on backend: any Backend) -> AttentionScores {
        // One pass over the rows for all three.
        let thin = backend.product(
            MatrixOperand(x, rows: rows), MatrixOperand(stackedDown, transposed: true), type: .float32)
        var start = 0
        func norms(_ projection: LowRankProjection) -> [Float] {
            defer { start += projection.rank }
            return ColumnNorms.norms(
                ofReduced: thin.columns(start..<start + projection.rank), through: projection, on: backend)
        }
        return AttentionScores(queryNorms: norms(query), keyNorms: norms(key), valueNorms: norms(value))
    }
}
