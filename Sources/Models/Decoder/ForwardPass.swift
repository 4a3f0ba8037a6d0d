// What every block of one forward pass shares: who attends to whom, angles, dropout seed, cache.

import TensorEngine

/// Some rows of a batch as queries, on the device.
struct QueryRows {
    /// Which rows of the block's input they are; nil for all.
    let selection: Tensor?
    /// int32 [rows], counted from the sequence's first key.
    let positions: Tensor
    /// int32 [rows]: the rows of the rotary table. Not the positions where a model rotates by the sequence's length.
    let rotaryRows: Tensor
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
        let lengths = cache?.sequenceLengths ?? batch.lengths
        let tables = rotary.tables(lengths: lengths, backend: backend)
        self.rotary = tables
        let rotaryRows = tables.rows(ofPositions: positions, starts: batch.starts)
        func queryRows(_ rows: [Int32]?, starts: Tensor) -> QueryRows {
            let chosen = rows.map { rows in rows.map { positions[Int($0)] } } ?? positions
            let uploaded = backend.upload(chosen)
            return QueryRows(
                selection: rows.map(backend.upload), positions: uploaded,
                rotaryRows: rotaryRows.map { table in
                    backend.upload(rows.map { rows in rows.map { table[Int($0)] } } ?? table)
                } ?? uploaded,
                starts: starts)
        }
        allRows = queryRows(nil, starts: starts)
        keyStarts = cache.map { backend.upload($0.keyStarts) } ?? starts
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
        outputRows = queryRows(rows, starts: backend.upload(Self.starts(of: rows, in: batch)))
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

    /// The rotary table of a layer with this window, and its rows for these rows of the batch.
    func rotation(of rows: QueryRows, window: Int) -> (table: RotaryTable, rows: Tensor) {
        if window > 0, let windowed = rotary.windowed { return (windowed, rows.positions) }
        return (rotary.full, rows.rotaryRows)
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
