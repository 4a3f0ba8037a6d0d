// What the layers of a dense pass read for context rows.

package import FileSupport
package import Models
package import TensorEngine

/// A dense look at a sample: inputs of feed-forward networks and moments of attention's inputs, of context rows alone.
///
/// Fits of any shares can be made from it.
package final class InputRecorder: SparsityPolicy {
    package let denseLeadingTokens: Int
    package let sparseOutputShare: Double
    /// Whether the model was looked at with its adapters in place.
    let seesAdapters: Bool
    private let rowLimit: Int
    private let attention: Set<Int>
    private var feedForwardInputs: [Int: [Tensor]]
    private var attentionInputs: [Int: InputMoments] = [:]
    private var mixedInputs: [Int: InputMoments] = [:]

    /// Runs the model over the sample.
    ///
    /// - Parameters:
    ///   - sample: batches whose output rows are those with labels.
    ///   - plan: whose blocks with a share above 0 are looked at; it decides which rows are context.
    ///   - rowLimit: after so many rows no more are looked at.
    ///   - seesAdapters: false looks at the frozen model alone.
    ///   - onBatch: called after each batch with the share of the work that is done.
    /// - Throws: `InputError` when a token is not in the vocabulary.
    package init(
        _ model: CausalLM, sample: [PackedSequences], plan: SparsityPlan, rowLimit: Int,
        seesAdapters: Bool = false, onBatch: (Double) -> Void = { _ in }
    ) throws(InputError) {
        let shares = plan.fittedShares(layerCount: model.configuration.layerCount)
        feedForwardInputs = shares.feedForward.mapValues { _ in [] }
        attention = Set(shares.attention.keys)
        self.rowLimit = rowLimit
        self.seesAdapters = seesAdapters
        denseLeadingTokens = plan.denseLeadingTokens
        sparseOutputShare = plan.sparseShareOfOutputs
        guard !feedForwardInputs.isEmpty || !attention.isEmpty else { return }
        // Half of the work where half of the tokens are answers.
        let sample = sparseOutputShare > 0 ? sample : sample.map(\.upToLastContext)
        func look() throws(InputError) {
            for batch in sample where rowCount < rowLimit && !batch.tokens.isEmpty {
                // Values only; whatever the tape would keep is not needed.
                _ = try model.hiddenStates(
                    batch, on: Tape(backend: model.backend, isRecording: false), policy: self)
                onBatch(min(1, Double(rowCount) / Double(rowLimit)))
            }
        }
        if seesAdapters { try look() } else { try model.withoutAdapters(look) }
    }

    /// Rows that were looked at in every layer.
    package var rowCount: Int {
        min(
            feedForwardInputs.keys.map(keptRows).min() ?? .max,
            attention.map { attentionInputs[$0]?.rowCount ?? 0 }.min() ?? .max)
    }

    private func keptRows(layer: Int) -> Int {
        feedForwardInputs[layer, default: []].reduce(0) { $0 + $1.rowCount }
    }

    /// All kept rows of a layer's feed-forward input, f32 [N, D].
    func inputs(layer: Int, on backend: any Backend) -> Tensor {
        let pieces = feedForwardInputs[layer] ?? []
        let result = backend.makeTensor(
            rowCount: keptRows(layer: layer), width: pieces.first?.width ?? 0, type: .float32)
        var start = 0
        for piece in pieces {
            backend.copy(piece, scale: 1, into: result.rows(start..<start + piece.rowCount))
            start += piece.rowCount
        }
        return result
    }

    /// Of what query, key and value projections read, and of what the output projection reads.
    func attentionMoments(layer: Int) -> (inputs: InputMoments, mixed: InputMoments)? {
        guard let inputs = attentionInputs[layer], let mixed = mixedInputs[layer] else { return nil }
        return (inputs, mixed)
    }

    package func projections(
        layer: Int, input: Tensor, rows: RowPartition, on backend: any Backend
    ) -> ProjectionUses? {
        record(layer, input, rows, into: &attentionInputs, on: backend)
        return nil
    }

    package func attentionOutput(
        layer: Int, input: Tensor, rows: RowPartition, on backend: any Backend
    ) -> ChannelUse? {
        record(layer, input, rows, into: &mixedInputs, on: backend)
        return nil
    }

    private func record(
        _ layer: Int, _ input: Tensor, _ rows: RowPartition, into moments: inout [Int: InputMoments],
        on backend: any Backend
    ) {
        guard attention.contains(layer), moments[layer]?.rowCount ?? 0 < rowLimit else { return }
        moments[layer, default: InputMoments(width: input.width, on: backend)]
            .add(backend.gathered(input, rows: rows.context, type: .float32))
    }

    package func feedForward(
        layer: Int, input: Tensor, rows: RowPartition, on backend: any Backend
    ) -> ChannelUse? {
        guard feedForwardInputs[layer] != nil else { return nil }
        let room = rowLimit - keptRows(layer: layer)
        guard room > 0 else { return nil }
        // bf16 halves what the sample takes; the fit averages over thousands of rows.
        let copy = backend.gathered(input, rows: rows.context, type: .bfloat16)
        feedForwardInputs[layer, default: []].append(copy.rows(0..<min(room, copy.rowCount)))
        return nil
    }
}

extension SparsityPlan {
    /// The shares of blocks that a calibration fits, by layer. The last block computes rows with labels only, keys and
    /// values aside: there is nothing to leave out.
    func fittedShares(layerCount: Int) -> (feedForward: [Int: Double], attention: [Int: Double]) {
        func fitted(_ shares: [Int: Double]) -> [Int: Double] {
            shares.filter { $0.value > 0 && $0.key < layerCount - 1 }
        }
        return (fitted(feedForward), fitted(attention))
    }
}
