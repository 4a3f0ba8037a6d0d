// Root-mean-square normalisation (arXiv 1910.07467) with a frozen weight.

extension Tape {
    /// y = x / rms(x) * (weight + offset), rms over all columns, in x's type.
    ///
    /// Keeps x, or how it is made again, and one float per row; pullbacks that read the normalised value make it again.
    /// - Parameters:
    ///   - weight: f32 [D].
    ///   - offset: 1 for families that store weight - 1 (Gemma), else 0.
    package func rmsNorm(_ x: Variable, weight: Tensor, offset: Float = 0, epsilon: Float) -> Variable {
        let inverseRMS = backend.makeTensor(rowCount: 1, width: x.value.rowCount, type: .float32)
        let normalise = { [backend] (input: Tensor) in
            let output = backend.makeTensor(rowCount: input.rowCount, width: input.width, type: input.type)
            backend.rmsNorm(
                input, weight: weight, offset: offset, epsilon: epsilon, into: output, inverseRMS: inverseRMS)
            return output
        }
        let output = normalise(x.value)
        guard isRecording, let slot = x.gradientSlot else { return constant(output) }
        let input = x.saved
        return record(output, making: { normalise(input.tensor) }) { [backend] gradient in
            let (target, accumulates) = slot.target(on: backend)
            backend.rmsNormBackward(
                input.tensor, weight: weight, offset: offset, inverseRMS: inverseRMS,
                outputGradient: gradient, into: target, accumulates: accumulates)
        }
    }
}
