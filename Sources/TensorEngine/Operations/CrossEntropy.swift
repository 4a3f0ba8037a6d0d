// The output head and its loss in one operation, a chunk of rows at a time: all logits never exist at once.

/// What a loss computation found, before the backward pass.
package struct LossResult {
    /// Sum over labelled rows of -log p(label), in nats.
    package let sum: Double
    /// Labelled rows.
    package let count: Int
    /// Loss of each row in order, 0 where unlabelled.
    package let rowLosses: [Float]

    package init(sum: Double, count: Int, rowLosses: [Float]) {
        self.sum = sum
        self.count = count
        self.rowLosses = rowLosses
    }
}

extension Tape {
    /// What one chunk of logits may take by default. The chunk is there when most activations are, so it adds to the
    /// peak; fewer rows at once pack the head's weight more often.
    package static let logitBytes = 48 << 20

    /// Softmax cross-entropy of hidden [T, D] through a head [V, D] against labels (int32 [T], negative = unlabelled).
    ///
    /// The gradient of the chunk is made while its logits are at hand, so the head is multiplied twice rather than
    /// three times and logits are never stored.
    /// - Parameters:
    ///   - softcap: > 0 caps logits by softcap * tanh(logit / softcap).
    ///   - gradientScale: d(objective)/d(loss sum), e.g. 1 / labelled tokens of the whole step.
    ///   - logitBytes: what one chunk of logits may take.
    package func crossEntropy(
        _ hidden: Variable, head: FrozenWeight, labels: Tensor, softcap: Float = 0, gradientScale: Float,
        logitBytes: Int = Tape.logitBytes
    ) -> LossResult {
        let input = hidden.value
        let vocabulary = head.outputWidth
        precondition(
            input.width == head.inputWidth && labels.count == input.rowCount && vocabulary > 0,
            "crossEntropy: hidden \(input.shapeDescription), head \(head.inputWidth) -> \(vocabulary), "
                + "\(labels.count) labels")
        let slot = isRecording ? hidden.gradientSlot : nil
        let gradient =
            slot == nil
            ? nil : backend.makeTensor(rowCount: input.rowCount, width: input.width, type: input.type)
        let losses = backend.makeTensor(rowCount: 1, width: input.rowCount, type: .float32)
        let rowsAtOnce = max(1, min(input.rowCount, logitBytes / (4 * vocabulary)))
        let logits = backend.makeTensor(rowCount: rowsAtOnce, width: vocabulary, type: .float32)
        for start in stride(from: 0, to: input.rowCount, by: rowsAtOnce) {
            let range = start..<min(start + rowsAtOnce, input.rowCount)
            let part = logits.rows(0..<range.count)
            backend.multiply(
                [MatrixProduct(MatrixOperand(input.rows(range)), head.forwardOperand)],
                into: MatrixOutput(part))
            backend.crossEntropy(
                logits: part, labels: labels.columns(range), softcap: softcap, gradientScale: gradientScale,
                losses: losses.columns(range), gradient: gradient == nil ? nil : part)
            if let gradient {
                backend.multiply(
                    [MatrixProduct(MatrixOperand(part), head.backwardOperand)],
                    into: MatrixOutput(gradient.rows(range)))
            }
        }
        if let slot, let gradient {
            recordSource { [backend] in slot.contribute(gradient, on: backend) }
        }
        let rowLosses = backend.download(losses)
        let labelled = backend.downloadIndices(labels).reduce(0) { $0 + ($1 >= 0 ? 1 : 0) }
        return LossResult(
            sum: rowLosses.reduce(0) { $0 + Double($1) }, count: labelled, rowLosses: rowLosses)
    }
}
