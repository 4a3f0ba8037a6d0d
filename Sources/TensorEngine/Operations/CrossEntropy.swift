// The output head and its loss in one operation, a chunk of rows at a time: all logits never exist at once.

/// What a loss computation found, before the backward pass.
package struct LossResult {
    /// Sum over labelled rows of -log p(label), in nats.
    package let sum: Double
    /// Labelled rows.
    package let count: Int
    /// Loss of each row in order, 0 where unlabelled.
    package let rowLosses: [Float]
}

extension Tape {
    /// Bytes that one chunk of logits may take. Fewer, larger chunks pack the head's weight less often.
    private static let chunkBytes = 96 << 20

    /// Softmax cross-entropy of hidden [T, D] through a head [V, D] against labels (int32 [T], negative = unlabelled).
    ///
    /// The gradient of the chunk is made while its logits are at hand, so the head is multiplied twice rather than
    /// three times and logits are never stored.
    /// - Parameters:
    ///   - softcap: > 0 caps logits by softcap * tanh(logit / softcap).
    ///   - gradientScale: d(objective)/d(loss sum), e.g. 1 / labelled tokens of the whole step.
    package func crossEntropy(
        _ hidden: Variable, head: FrozenWeight, labels: Tensor, softcap: Float = 0, gradientScale: Float
    ) -> LossResult {
        let rows = hidden.value.rowCount
        let vocabulary = head.outputWidth
        let recordsGradient = records(hidden)
        let gradient =
            recordsGradient
            ? backend.makeTensor(rowCount: rows, width: hidden.value.width, type: hidden.value.type) : nil
        let chunk = max(1, min(rows, Self.chunkBytes / (4 * vocabulary)))
        let losses = backend.makeTensor(rowCount: 1, width: rows, type: .float32)
        let logits = backend.makeTensor(rowCount: chunk, width: vocabulary, type: .float32)
        var start = 0
        while start < rows {
            let end = min(start + chunk, rows)
            let part = logits.rows(0..<(end - start))
            backend.multiply(
                [MatrixProduct(MatrixOperand(hidden.value.rows(start..<end)), head.forwardOperand)],
                into: MatrixOutput(part))
            backend.crossEntropy(
                logits: part, labels: labels.columns(start..<end), softcap: softcap, gradientScale: gradientScale,
                losses: losses.columns(start..<end), gradient: recordsGradient ? part : nil)
            if let gradient {
                backend.multiply(
                    [MatrixProduct(MatrixOperand(part), head.backwardOperand)],
                    into: MatrixOutput(gradient.rows(start..<end)))
            }
            start = end
        }
        if let gradient {
            recordSource { [backend] in hidden.contribute(gradient, on: backend) }
        }
        let rowLosses = backend.download(losses)
        let labelled = backend.downloadIndices(labels).reduce(0) { $0 + ($1 >= 0 ? 1 : 0) }
        return LossResult(sum: rowLosses.reduce(0) { $0 + Double($1) }, count: labelled, rowLosses: rowLosses)
    }
}
