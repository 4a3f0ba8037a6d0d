// The output head and its loss in one operation, a block of logits at a time: all of them never exist at once.

/// What a loss computation found, before the backward pass.
package struct LossResult {
    /// Sum over labelled rows of -log p(label), in nats.
    package let sum: Double
    /// Labelled rows.
    package let count: Int
    /// Loss of each row in order, 0 where unlabelled.
    package let rowLosses: [Float]
    /// Of the head's products with the gradient, the share that was computed: less than 1 where improbable words were left
    /// out.
    package let wordShare: Double

    package init(sum: Double, count: Int, rowLosses: [Float], wordShare: Double = 1) {
        self.sum = sum
        self.count = count
        self.rowLosses = rowLosses
        self.wordShare = wordShare
    }
}

extension Tape {
    /// Rows and columns of the logits that exist at once: 4 MB, small enough to stay in a cache until their second product,
    /// and never so few columns or rows, where there are more, that packing operands costs much.
    package static func logitBlock(rowCount: Int, vocabulary: Int) -> (rows: Int, columns: Int) {
        let count = 1 << 20
        let rows = max(1, min(rowCount, count / 1024))
        return (rows, max(1, min(vocabulary, count / rows)))
    }

    /// Softmax cross-entropy of hidden [T, D] through a head [V, D] against labels (int32 [T], negative = unlabelled).
    ///
    /// The softmax runs along with the blocks, as in attention: what the gradient sums over the vocabulary is scaled down
    /// wherever a larger logit turns up, and divided by the sum of exponentials at the end. So the head is multiplied
    /// twice rather than three times, and its second product finds the block of logits and of the head in a cache.
    /// - Parameters:
    ///   - head: with a row for each word.
    ///   - softcap: > 0 caps logits by softcap * tanh(logit / softcap).
    ///   - gradientScale: d(objective)/d(loss sum), e.g. 1 / labelled tokens of the whole step.
    ///   - wordThreshold: words that no row of a block finds at least so probable are left out of the gradient, which then
    ///     lacks p(word) * head row for each; 0 for all of it. The loss is exact.
    ///   - block: rows and columns of the logits that exist at once; nil for `logitBlock`.
    package func crossEntropy(
        _ hidden: Variable, head: FrozenWeight, labels: Tensor, softcap: Float = 0, gradientScale: Float,
        wordThreshold: Float = 0, block: (rows: Int, columns: Int)? = nil
    ) -> LossResult {
        let input = hidden.value
        let vocabulary = head.outputWidth
        precondition(
            input.width == head.inputWidth && labels.count == input.rowCount && vocabulary > 0,
            "crossEntropy: hidden \(input.shapeDescription), head \(head.inputWidth) -> \(vocabulary), "
                + "\(labels.count) labels")
        precondition(head.layout == .outputRows, "crossEntropy: a head with a row for each word is needed")
        let slot = isRecording ? hidden.gradientSlot : nil
        let gradient =
            slot == nil
            ? nil : backend.makeTensor(rowCount: input.rowCount, width: input.width, type: input.type)
        let losses = backend.makeTensor(rowCount: 1, width: input.rowCount, type: .float32)
        let (rowsAtOnce, columnsAtOnce) =
            block ?? Self.logitBlock(rowCount: input.rowCount, vocabulary: vocabulary)
        let memory = backend.makeTensor(rowCount: rowsAtOnce, width: columnsAtOnce, type: .float32)
        let state = backend.makeTensor(rowCount: rowsAtOnce, width: 4, type: .float32)
        // A gradient in f32 is where its sums come to be.
        let ownSums =
            gradient == nil || input.type == .float32
            ? nil : backend.makeTensor(rowCount: rowsAtOnce, width: input.width, type: .float32)
        var computedWords = 0
        for start in stride(from: 0, to: input.rowCount, by: rowsAtOnce) {
            let range = start..<min(start + rowsAtOnce, input.rowCount)
            let labels = labels.columns(range)
            let state = state.rows(0..<range.count)
            let sums = ownSums?.rows(0..<range.count) ?? gradient?.rows(range)
            for first in stride(from: 0, to: vocabulary, by: columnsAtOnce) {
                let words = head.tensor.rows(first..<min(first + columnsAtOnce, vocabulary))
                let logits = memory.rows(0..<range.count).columns(0..<words.rowCount)
                backend.multiply(
                    [MatrixProduct(MatrixOperand(input.rows(range)), MatrixOperand(words))],
                    into: MatrixOutput(logits))
                backend.crossEntropyBlock(
                    logits: logits, firstColumn: first, labels: labels, softcap: softcap, state: state,
                    sums: sums)
                guard let sums else { continue }
                let probable =
                    wordThreshold > 0
                    ? backend.probableColumns(
                        ofLogits: logits, labels: labels, state: state, threshold: wordThreshold) : nil
                computedWords += range.count * (probable?.count ?? words.rowCount)
                if probable?.count == 0 { continue }
                backend.multiply(
                    [
                        MatrixProduct(
                            MatrixOperand(logits, columns: probable, rounds: true),
                            MatrixOperand(words, transposed: true, rows: probable))
                    ],
                    into: MatrixOutput(sums, accumulates: true))
            }
            backend.endCrossEntropy(
                labels: labels, state: state, losses: losses.columns(range), sums: sums, head: head.tensor,
                gradientScale: gradientScale, gradient: gradient?.rows(range))
        }
        if let slot, let gradient {
            recordSource { [backend] in slot.contribute(gradient, on: backend) }
        }
        let rowLosses = backend.download(losses)
        let labelled = backend.downloadIndices(labels).reduce(0) { $0 + ($1 >= 0 ? 1 : 0) }
        return LossResult(
            sum: rowLosses.reduce(0) { $0 + Double($1) }, count: labelled, rowLosses: rowLosses,
            wordShare: gradient == nil ? 1 : Double(computedWords) / Double(input.rowCount * vocabulary))
    }
}
