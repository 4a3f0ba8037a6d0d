// What every block of one forward pass shares: who attends to whom, angles, dropout seed, cache.

import TensorEngine

/// Some rows of a batch as queries, on the device.
struct QueryRows {
    /// Which rows of the block's input they are; nil for all.
    let selection: Tensor?
    /// int32 [rows], counted from the sequence's first key.
    let positions: Tensor
    /// int32 [sequences + 1]
    let starts: Tensor
}

/// One batch going through the decoder.
struct ForwardPass {
    let tape: Tape
    let sequenceCount: Int
    let tokens: Tensor
    /// All rows of the batch.
    let allRows: QueryRows
    /// The rows whose output is needed: the queries of the last block.
    let outputRows: QueryRows
    /// int32 [sequences + 1]: which keys belong to which sequence.
    let keyStarts: Tensor
    let rotary: RotaryTables
    let dropoutSeed: UInt64
    /// Where keys and values of earlier tokens are and those of this batch go; nil outside generation.
    let cache: CachePlacement?
    /// Nil in a dense pass.
    let sparsity: Sparsity?

    /// Who decides which channels run, and for which rows.
    struct Sparsity {
        let policy: any SparsityPolicy
        let rows: RowPartition
    }

    /// - Parameter policy: asked for what the rows compute that are not the batch's output rows.
    init(
        _ batch: PackedSequences, tape: Tape, rotary: RotaryEmbedding, dropoutSeed: UInt64,
        cache: CachePlacement? = nil, policy: (any SparsityPolicy)? = nil
    ) {
        self.tape = tape
        self.cache = cache
        self.dropoutSeed = dropoutSeed
        sequenceCount = batch.sequenceCount
        let backend = tape.backend
        tokens = backend.upload(batch.tokens)
        let positions = cache?.positions ?? batch.positions
        let starts = backend.upload(batch.starts)
        allRows = QueryRows(selection: nil, positions: backend.upload(positions), starts: starts)
        keyStarts = cache.map { backend.upload($0.keyStarts) } ?? starts
        self.rotary = rotary.tables(positionCount: Int(positions.max() ?? 0) + 1, backend: backend)
        guard let rows = batch.outputRows, rows.count < batch.tokens.count else {
            outputRows = allRows
            sparsity = policy.flatMap {
                Self.sparsity(
                    under: $0, batch, outputRows: batch.tokens.indices.map { Int32($0) }, backend: backend)
            }
            return
        }
        precondition(
            zip(rows, rows.dropFirst()).allSatisfy { $0 < $1 }
                && rows.allSatisfy { $0 >= 0 && $0 < batch.tokens.count },
            "output rows must ascend within the batch")
        outputRows = QueryRows(
            selection: backend.upload(rows), positions: backend.upload(rows.map { positions[Int($0)] }),
            starts: backend.upload(Self.starts(of: rows, in: batch)))
        sparsity = policy.flatMap { Self.sparsity(under: $0, batch, outputRows: rows, backend: backend) }
    }

    /// Nil when no row would run sparse.
    private static func sparsity(
        under policy: any SparsityPolicy, _ batch: PackedSequences, outputRows: [Int32], backend: any Backend
    ) -> Sparsity? {
        var context: [Int32] = []
        var dense: [Int32] = []
        var outputCount = 0
        for (row, position) in batch.positions.enumerated() {
            let row = Int32(row)
            var isSparse = true
            if outputCount < outputRows.count, outputRows[outputCount] == row {
                // Every step over a whole number is one sparse row: evenly spread.
                let share = policy.sparseOutputShare
                isSparse = Int(Double(outputCount + 1) * share) > Int(Double(outputCount) * share)
                outputCount += 1
            }
            if isSparse, position >= policy.denseLeadingTokens {
                context.append(row)
            } else {
                dense.append(row)
            }
        }
        guard !context.isEmpty else { return nil }
        return Sparsity(
            policy: policy,
            rows: RowPartition(context: backend.upload(context), output: backend.upload(dense)))
    }

    /// Context rows as a policy wants them, output rows with all channels; nil where every row computes everything.
    ///
    /// - Parameters:
    ///   - context: what context rows compute in each layer of the operation, nil for everything.
    ///   - cut: which gradients they give there when none go down through the layer's context rows.
    func parts(_ context: [ChannelUse]?, layer: Int, cut: [RowGradient]) -> [RowPart]? {
        guard let sparsity else { return nil }
        var uses = context ?? cut.map { _ in .all }
        if !sparsity.policy.passesContextGradient(layer: layer) {
            for (number, gradient) in cut.enumerated() { uses[number].gradient = gradient }
        } else if uses.allSatisfy(\.computesEverything) {
            return nil
        }
        let context = RowPart(rows: sparsity.rows.context, uses: uses)
        guard sparsity.rows.output.count > 0 else { return [context] }
        return [RowPart(rows: sparsity.rows.output, uses: uses.map { _ in .all }), context]
    }

    /// Where each sequence begins among the selected rows.
    private static func starts(of rows: [Int32], in batch: PackedSequences) -> [Int32] {
        var count = 0
        return batch.starts.map { start in
            while count < rows.count, rows[count] < start { count += 1 }
            return Int32(count)
        }
    }
}
