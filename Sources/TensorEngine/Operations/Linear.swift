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
        let input = x.value
        precondition(
            input.width == weight.inputWidth,
            "linear: x \(input.shapeDescription), weight \(weight.inputWidth) -> \(weight.outputWidth)")
        let output = backend.makeTensor(rowCount: input.rowCount, width: weight.outputWidth, type: input.type)
        guard let adapter else {
            backend.multiply(
                [MatrixProduct(MatrixOperand(input), weight.forwardOperand)],
                into: MatrixOutput(output, bias: bias))
            guard records(x) else { return constant(output) }
            return record(output) { [backend] gradient in
                let (target, accumulates) = x.gradientTarget(on: backend)
                backend.multiply(
                    [MatrixProduct(MatrixOperand(gradient), weight.backwardOperand)],
                    into: MatrixOutput(target, accumulates: accumulates))
            }
        }

        let drops = isRecording && adapter.dropoutRate > 0
        let adapterInput = drops ? dropout(input, rate: adapter.dropoutRate, seed: dropoutSeed) : input
        // P = x A^T [T, R]
        let projected = backend.makeTensor(rowCount: input.rowCount, width: adapter.rank, type: input.type)
        backend.multiply(
            [MatrixProduct(MatrixOperand(adapterInput), MatrixOperand(adapter.a.value))],
            into: MatrixOutput(projected))
        backend.multiply(
            [
                MatrixProduct(MatrixOperand(input), weight.forwardOperand),
                MatrixProduct(MatrixOperand(projected), MatrixOperand(adapter.b.value), scale: adapter.scale),
            ],
            into: MatrixOutput(output, bias: bias))
        guard records(x, adapter.a, adapter.b) else { return constant(output) }
        return record(output) { [self] gradient in
            linearPullback(
                gradient, x: x, weight: weight, adapter: adapter, adapterInput: adapterInput,
                projected: projected, dropoutSeed: drops ? dropoutSeed : nil)
        }
    }

    /// dB += s dY^T P, dP = dY B, dA += s dP^T x, dX += dY W + s dP A.
    private func linearPullback(
        _ gradient: Tensor, x: Variable, weight: FrozenWeight, adapter: LowRankPair, adapterInput: Tensor,
        projected: Tensor, dropoutSeed: UInt64?
    ) {
        let scale = adapter.scale
        let (bTarget, addsToB) = adapter.b.gradientTarget(on: backend)
        backend.multiply(
            [
                MatrixProduct(
                    MatrixOperand(gradient, transposed: true), MatrixOperand(projected, transposed: true),
                    scale: scale)
            ],
            into: MatrixOutput(bTarget, accumulates: addsToB))
        let projectedGradient = backend.makeTensor(
            rowCount: gradient.rowCount, width: adapter.rank, type: gradient.type)
        backend.multiply(
            [MatrixProduct(MatrixOperand(gradient), MatrixOperand(adapter.b.value, transposed: true))],
            into: MatrixOutput(projectedGradient))
        let (aTarget, addsToA) = adapter.a.gradientTarget(on: backend)
        backend.multiply(
            [
                MatrixProduct(
                    MatrixOperand(projectedGradient, transposed: true),
                    MatrixOperand(adapterInput, transposed: true), scale: scale)
            ],
            into: MatrixOutput(aTarget, accumulates: addsToA))
        guard x.needsGradient else { return }
        let frozen = MatrixProduct(MatrixOperand(gradient), weight.backwardOperand)
        let lowRank = MatrixProduct(
            MatrixOperand(projectedGradient), MatrixOperand(adapter.a.value, transposed: true), scale: scale)
        guard let dropoutSeed else {
            let (target, accumulates) = x.gradientTarget(on: backend)
            backend.multiply([frozen, lowRank], into: MatrixOutput(target, accumulates: accumulates))
            return
        }
        // The adapter's share passes back through the mask, the frozen share does not.
        let share = backend.makeTensor(rowCount: x.value.rowCount, width: x.value.width, type: gradient.type)
        backend.multiply([lowRank], into: MatrixOutput(share))
        backend.dropout(share, rate: adapter.dropoutRate, seed: dropoutSeed, into: share)
        x.contribute(share, on: backend)
        let (target, accumulates) = x.gradientTarget(on: backend)
        backend.multiply([frozen], into: MatrixOutput(target, accumulates: accumulates))
    }

    private func dropout(_ x: Tensor, rate: Float, seed: UInt64) -> Tensor {
        let result = backend.makeTensor(rowCount: x.rowCount, width: x.width, type: x.type)
        backend.dropout(x, rate: rate, seed: seed, into: result)
        return result
    }
}
