// Activation checkpointing (arXiv 1604.06174): a segment keeps its input and runs again in the backward pass.

extension Tape {
    /// A segment whose result is the sum of two values, as a transformer block's is.
    ///
    /// Keeps x alone. The second run repeats the first on the same operands, dropout masks included, and its pullbacks
    /// contribute where those of the first would have, in the same order: gradients are equal to the bit.
    /// - Parameter addends: runs the segment on the given tape. The second time only what pullbacks read counts, not the
    ///   addends themselves.
    package func checkpointedSum(
        _ x: Variable,
        addends: @escaping (_ x: Variable, _ tape: Tape, _ isSecondRun: Bool) -> (Variable, Variable)
    ) -> Variable {
        precondition(isRecording, "a segment is checkpointed for a backward pass")
        let first = Tape(backend: backend)
        let (a, b) = addends(x, first, false)
        first.reset()
        let output = backend.makeTensor(
            rowCount: a.value.rowCount, width: a.value.width, type: a.value.type)
        backend.add(a.value, b.value, into: output)
        guard a.needsGradient || b.needsGradient else { return constant(output) }
        let (value, slot) = (x.value, x.gradientSlot)
        return record(output) { [backend] gradient in
            let second = Tape(backend: backend)
            let (a, b) = addends(Variable(value, slot: slot), second, true)
            a.contribute(gradient, on: backend)
            b.contribute(gradient, on: backend)
            second.backward()
        }
    }
}
