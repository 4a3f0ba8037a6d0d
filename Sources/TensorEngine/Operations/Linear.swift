// A frozen linear layer with an optional low-rank adapter: y = x W^T + bias + scale * dropout(x) A^T B^T.

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

    package init(a: Parameter, b: Parameter, scale: Float, dropoutRate: Float = 0) {
        precondition(
            a.value.rowCount == b.value.width,
            "low-rank pair: A \(a.value.shapeDescription), B \(b.value.shapeDescription)")
        precondition(dropoutRate >= 0 && dropoutRate < 1, "low-rank pair: dropout rate \(dropoutRate)")
        self.a = a
        self.b = b
        self.scale = scale
        self.dropoutRate = dropoutRate
    }

    package var rank: Int { a.value.rowCount }
}

extension Tape {
    /// x [T, in] -> [T, out] in x's type.
    ///
    /// The adapter's second product is extra depth of the frozen one, so the output is written once. The frozen
    /// weight gets no gradient; x gets one only when something trainable lies beneath it.
    ///
    /// - Parameters:
    ///   - bias: f32 [out].
    ///   - dropoutSeed: decides the adapter's dropout mask; the same seed gives the same mask.
    package func linear(
        _ x: Variable, _ weight: FrozenWeight, bias: Tensor? = nil, adapter: LowRankPair? = nil,
        dropoutSeed: UInt64 = 0
    ) -> Variable {
        precondition(
            x.value.width == weight.inputWidth,
            "linear: x \(x.value.shapeDescription), weight \(weight.inputWidth) -> \(weight.outputWidth)")
        guard let adapter else { return frozenLinear(x, weight, bias: bias) }
        precondition(
            adapter.a.value.width == weight.inputWidth && adapter.b.value.rowCount == weight.outputWidth,
            "linear: A \(adapter.a.value.shapeDescription) and B \(adapter.b.value.shapeDescription) "
                + "beside \(weight.inputWidth) -> \(weight.outputWidth)")

        let input = x.value
        let backend = backend
        let dropout = isRecording ? AdapterDropout(rate: adapter.dropoutRate, seed: dropoutSeed) : nil
        // P = x A^T [T, R]
        let projected = backend.makeTensor(rowCount: input.rowCount, width: adapter.rank, type: input.type)
        backend.multiply(
            [
                MatrixProduct(
                    MatrixOperand(dropout?.applied(to: input, on: backend) ?? input),
                    MatrixOperand(adapter.a.value))
            ],
            into: MatrixOutput(projected))
        let output = backend.makeTensor(
            rowCount: input.rowCount, width: weight.outputWidth, type: input.type)
        backend.multiply(
            [
                MatrixProduct(MatrixOperand(input), weight.forwardOperand),
                MatrixProduct(
                    MatrixOperand(projected), MatrixOperand(adapter.b.value), scale: adapter.scale),
            ],
            into: MatrixOutput(output, bias: bias))
        guard records(x, adapter.a, adapter.b) else { return constant(output) }
        let pullback = AdaptedLinearPullback(
            backend: backend, weight: weight, adapter: adapter, dropout: dropout, input: input,
            inputSlot: x.gradientSlot, projected: projected)
        return record(output) { gradient in pullback.run(gradient) }
    }

    private func frozenLinear(_ x: Variable, _ weight: FrozenWeight, bias: Tensor?) -> Variable {
        let output = backend.makeTensor(
            rowCount: x.value.rowCount, width: weight.outputWidth, type: x.value.type)
        backend.multiply(
            [MatrixProduct(MatrixOperand(x.value), weight.forwardOperand)],
            into: MatrixOutput(output, bias: bias))
        guard isRecording, let slot = x.gradientSlot else { return constant(output) }
        return record(output) { [backend] gradient in
            let (target, accumulates) = slot.target(on: backend)
            backend.multiply(
                [MatrixProduct(MatrixOperand(gradient), weight.backwardOperand)],
                into: MatrixOutput(target, accumulates: accumulates))
        }
    }
}

/// Dropout before A. The mask follows from the seed, so the backward pass makes it again instead of keeping a masked
/// copy of every adapted layer's input.
private struct AdapterDropout {
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

/// dB += s dY^T P, dP = dY B, dA += s dP^T x, dX += dY W + s dP A.
private struct AdaptedLinearPullback {
    let backend: any Backend
    let weight: FrozenWeight
    let adapter: LowRankPair
    let dropout: AdapterDropout?
    /// x, read for dA.
    let input: Tensor
    /// Nil when nothing trainable lies beneath x.
    let inputSlot: GradientSlot?
    /// P = dropout(x) A^T [T, R]
    let projected: Tensor

    func run(_ gradient: Tensor) {
        accumulate(adapter.b, gradient, projected)
        let projectedGradient = backend.makeTensor(
            rowCount: gradient.rowCount, width: adapter.rank, type: gradient.type)
        backend.multiply(
            [MatrixProduct(MatrixOperand(gradient), MatrixOperand(adapter.b.value, transposed: true))],
            into: MatrixOutput(projectedGradient))
        accumulate(adapter.a, projectedGradient, dropout?.applied(to: input, on: backend) ?? input)

        guard let inputSlot else { return }
        let frozen = MatrixProduct(MatrixOperand(gradient), weight.backwardOperand)
        let lowRank = MatrixProduct(
            MatrixOperand(projectedGradient), MatrixOperand(adapter.a.value, transposed: true),
            scale: adapter.scale)
        guard let dropout else {
            let (target, accumulates) = inputSlot.target(on: backend)
            backend.multiply([frozen, lowRank], into: MatrixOutput(target, accumulates: accumulates))
            return
        }
        // The adapter's share passes back through the mask, the frozen share does not.
        let inputGradient = backend.makeTensor(
            rowCount: input.rowCount, width: input.width, type: gradient.type)
        backend.multiply([lowRank], into: MatrixOutput(inputGradient))
        backend.dropout(inputGradient, rate: dropout.rate, seed: dropout.seed, into: inputGradient)
        backend.multiply([frozen], into: MatrixOutput(inputGradient, accumulates: true))
        inputSlot.contribute(inputGradient, on: backend)
    }

    /// The gradient of `parameter` += scale * left^T right.
    private func accumulate(_ parameter: Parameter, _ left: Tensor, _ right: Tensor) {
        guard let (target, accumulates) = parameter.gradientSlot?.target(on: backend) else { return }
        backend.multiply(
            [
                MatrixProduct(
                    MatrixOperand(left, transposed: true), MatrixOperand(right, transposed: true),
                    scale: adapter.scale)
            ],
            into: MatrixOutput(target, accumulates: accumulates))
    }
}
