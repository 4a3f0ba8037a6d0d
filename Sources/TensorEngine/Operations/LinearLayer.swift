// A frozen linear layer as the tape sees it, and the adapter's share of a product and of its gradient.

/// y = x W^T + bias, plus scale * dropout(x) A^T B^T where an adapter is installed.
package struct LinearLayer {
    package let weight: FrozenWeight
    /// f32 [out]
    package let bias: Tensor?
    package let adapter: LowRankPair?
    /// Decides the adapter's dropout mask; the same seed gives the same mask.
    package let dropoutSeed: UInt64

    package init(
        _ weight: FrozenWeight, bias: Tensor? = nil, adapter: LowRankPair? = nil, dropoutSeed: UInt64 = 0
    ) {
        if let adapter {
            precondition(
                adapter.a.value.width == weight.inputWidth && adapter.bValue.rowCount == weight.outputWidth,
                "linear: A \(adapter.a.value.shapeDescription) and B \(adapter.bValue.shapeDescription) "
                    + "beside \(weight.inputWidth) -> \(weight.outputWidth)")
        }
        self.weight = weight
        self.bias = bias
        self.adapter = adapter
        self.dropoutSeed = dropoutSeed
    }

    /// The mask of this layer's adapter input on a recording tape.
    func dropout(on tape: Tape) -> AdapterDropout? {
        guard tape.isRecording, let adapter else { return nil }
        return AdapterDropout(rate: adapter.dropoutRate, seed: dropoutSeed)
    }
}

/// The trainable pair beside a frozen weight (LoRA, arXiv 2106.09685).
package struct LowRankPair {
    /// [R, in]
    package let a: Parameter
    /// [out, R]
    package let b: Parameter
    /// alpha / rank, or alpha / sqrt(rank).
    package let scale: Float
    /// Share of input elements that are zeroed while training, 0 for none.
    package let dropoutRate: Float
    /// The rows of B that are this layer's outputs, where several layers share a pair; nil for all.
    package let outputRows: Range<Int>?

    package init(
        a: Parameter, b: Parameter, scale: Float, dropoutRate: Float = 0, outputRows: Range<Int>? = nil
    ) {
        precondition(
            a.value.rowCount == b.value.width,
            "low-rank pair: A \(a.value.shapeDescription), B \(b.value.shapeDescription)")
        precondition(dropoutRate >= 0 && dropoutRate < 1, "low-rank pair: dropout rate \(dropoutRate)")
        self.a = a
        self.b = b
        self.scale = scale
        self.dropoutRate = dropoutRate
        self.outputRows = outputRows
    }

    package var rank: Int { a.value.rowCount }

    /// This layer's rows of B [out, R].
    package var bValue: Tensor { outputRows.map(b.value.rows) ?? b.value }

    /// The same pair for a layer whose outputs are these rows of it.
    package func part(_ rows: Range<Int>) -> LowRankPair {
        LowRankPair(a: a, b: b, scale: scale, dropoutRate: dropoutRate, outputRows: rows)
    }

    /// P = x A^T [rows, R].
    ///
    /// - Parameter inputs: the columns of A that x's columns are, where x holds kept channels only.
    func projected(_ x: MatrixOperand, inputs: Tensor? = nil, type: ElementType, on backend: any Backend)
        -> Tensor
    {
        backend.product(x, MatrixOperand(a.value, columns: inputs), type: type)
    }

    /// s P[rows] B[outputs]^T, the pair's share of the output.
    func output(_ projected: Tensor, rows: Tensor? = nil, outputs: Tensor? = nil) -> MatrixProduct {
        MatrixProduct(
            MatrixOperand(projected, rows: rows), MatrixOperand(bValue, rows: outputs), scale: scale)
    }

    /// dP = dy B [rows, R], without the scale.
    func projectedGradient(
        _ gradient: MatrixOperand, outputs: Tensor? = nil, type: ElementType, on backend: any Backend
    ) -> Tensor {
        backend.product(gradient, MatrixOperand(bValue, transposed: true, rows: outputs), type: type)
    }

    /// s dP[rows] A[:, inputs], the pair's share of the input's gradient.
    func inputGradient(
        _ projectedGradient: Tensor, rows: Tensor? = nil, inputs: Tensor? = nil
    ) -> MatrixProduct {
        MatrixProduct(
            MatrixOperand(projectedGradient, rows: rows),
            MatrixOperand(a.value, transposed: true, columns: inputs), scale: scale)
    }

    /// dB[outputs] += s dy^T P. `gradient` is dy transposed.
    ///
    /// - Parameter rows: those of P that go with dy's; nil for all.
    func accumulateB(
        _ gradient: MatrixOperand, _ projected: Tensor, rows: Tensor? = nil, outputs: Tensor? = nil,
        on backend: any Backend
    ) {
        accumulate(
            b, part: outputRows, gradient, MatrixOperand(projected, transposed: true, rows: rows),
            rows: outputs, columns: nil, on: backend)
    }

    /// dA[:, inputs] += s dP^T x. `x` is the layer's input transposed.
    func accumulateA(
        _ projectedGradient: Tensor, _ x: MatrixOperand, inputs: Tensor? = nil, on backend: any Backend
    ) {
        accumulate(
            a, MatrixOperand(projectedGradient, transposed: true), x, rows: nil, columns: inputs, on: backend)
    }

    private func accumulate(
        _ parameter: Parameter, part: Range<Int>? = nil, _ left: MatrixOperand, _ right: MatrixOperand,
        rows: Tensor?, columns: Tensor?, on backend: any Backend
    ) {
        guard let (target, accumulates) = parameter.gradientSlot?.target(on: backend) else { return }
        let isPartial = part != nil || rows != nil || columns != nil
        if isPartial, !accumulates { backend.fill(target, with: 0) }
        backend.multiply(
            [MatrixProduct(left, right, scale: scale)],
            into: MatrixOutput(
                part.map(target.rows) ?? target, rows: rows, columns: columns,
                accumulates: accumulates || isPartial))
    }
}

/// Dropout before A. The mask follows from the seed, so the backward pass makes it again instead of keeping a masked
/// copy of every adapted layer's input.
struct AdapterDropout {
    let rate: Float
    let seed: UInt64

    /// Nil for a rate of 0.
    init?(rate: Float, seed: UInt64) {
        guard rate > 0 else { return nil }
        self.rate = rate
        self.seed = seed
    }

    func applied(to x: Tensor, on backend: any Backend) -> Tensor {
        let result = backend.makeTensor(rowCount: x.rowCount, width: x.width, type: x.type)
        backend.dropout(x, rate: rate, seed: seed, into: result)
        return result
    }
}
