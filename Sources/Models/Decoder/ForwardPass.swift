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
    private(set) var tape: Tape
    let sequenceCount: Int
    let tokens: Tensor
    /// All rows that are computed.
    let allRows: QueryRows
    /// Makes the batch's keys and values of those of the computed rows; nil where every row is computed.
    private let keyRows: RowExpansion?
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
        /// The same of the output rows alone, counted among themselves; nil when all of them are dense.
        let outputRows: RowPartition?
        fileprivate let gradients: ChosenGradients
    }

    /// Who reads what an operation makes of a row: decides whether the row's gradient can matter.
    enum Reader {
        /// The row itself, on its way up.
        case sameRow
        /// Later rows too, as keys and values.
        case laterRows
    }

    /// - Parameters:
    ///   - policy: asked for what the rows compute that are not the batch's output rows.
    ///   - sharesPrefixes: whether rows that sequences have in common are computed once. "Rows" of everything but keys
    ///     are then the computed ones.
    init(
        _ batch: PackedSequences, tape: Tape, rotary: RotaryEmbedding, dropoutSeed: UInt64,
        cache: CachePlacement? = nil, policy: (any SparsityPolicy)? = nil, sharesPrefixes: Bool = false
    ) {
        self.tape = tape
        self.cache = cache
        self.dropoutSeed = dropoutSeed
        sequenceCount = batch.sequenceCount
        let backend = tape.backend
        let positions = cache?.positions ?? batch.positions
        let starts = backend.upload(batch.starts)
        let lengths = cache?.sequenceLengths ?? batch.lengths
        let tables = rotary.tables(lengths: lengths, backend: backend)
        self.rotary = tables
        let shared =
            sharesPrefixes && policy?.allowsSharedPrefixes ?? true
            ? SharedPrefixes(batch, kinds: tables.firstRows) : nil
        let computed = shared?.computedRows
        tokens = backend.upload(computed.map { rows in rows.map { batch.tokens[Int($0)] } } ?? batch.tokens)
        keyRows = shared?.expansion(on: backend)
        let rotaryRows = tables.rows(ofPositions: positions, starts: batch.starts)
        /// - Parameter selection: the rows among the computed ones; nil for all of those.
        func queryRows(_ rows: [Int32]?, selection: [Int32]?) -> QueryRows {
            func chosen(_ values: [Int32]) -> [Int32] {
                rows.map { rows in rows.map { values[Int($0)] } } ?? values
            }
            let uploaded = backend.upload(chosen(positions))
            return QueryRows(
                selection: selection.map(backend.upload), positions: uploaded,
                rotaryRows: rotaryRows.map { backend.upload(chosen($0)) } ?? uploaded,
                starts: rows.map { backend.upload(Self.starts(of: $0, in: batch)) } ?? starts)
        }
        allRows = queryRows(computed, selection: nil)
        keyStarts = cache.map { backend.upload($0.keyStarts) } ?? starts
        guard let rows = batch.outputRows, rows.count < batch.tokens.count else {
            outputRows = allRows
            sparsity = policy.flatMap {
                Self.sparsity(
                    of: batch, outputRows: batch.tokens.indices.map { Int32($0) }, shared: nil, under: $0,
                    on: backend)
            }
            return
        }
        precondition(
            zip(rows, rows.dropFirst()).allSatisfy { $0 < $1 }
                && rows.allSatisfy { $0 >= 0 && $0 < batch.tokens.count },
            "output rows must ascend within the batch")
        outputRows = queryRows(
            rows, selection: shared.map { shared in rows.map { shared.sources[Int($0)] } } ?? rows)
        sparsity = policy.flatMap {
            Self.sparsity(of: batch, outputRows: rows, shared: shared, under: $0, on: backend)
        }
    }

    /// The batch's keys or values, of those that were computed.
    func keys(_ computed: Variable) -> Variable { keyRows.map { tape.expandRows(computed, $0) } ?? computed }

    /// The same pass recorded on another tape.
    func on(_ tape: Tape) -> ForwardPass {
        var pass = self
        pass.tape = tape
        return pass
    }

    /// How these queries fall into sparse and dense rows; nil when all are dense.
    func partition(of queries: QueryRows) -> RowPartition? {
        queries.selection == nil ? sparsity?.rows : sparsity?.outputRows
    }

    /// The rotary table of a layer with this window, and its rows for these rows of the batch.
    func rotation(of rows: QueryRows, window: Int) -> (table: RotaryTable, rows: Tensor) {
        if window > 0, let windowed = rotary.windowed { return (windowed, rows.positions) }
        return (rotary.full, rows.rotaryRows)
    }

    /// Context rows as a policy wants them, the others with all channels; nil where every row computes everything.
    ///
    /// - Parameters:
    ///   - context: what context rows compute in each layer of the operation, nil for everything.
    ///   - rows: the partition of the operation's rows, nil when all are dense.
    ///   - readers: of each layer's result.
    func parts(
        _ context: [ChannelUse]?, of rows: RowPartition?, layer: Int, readers: [Reader]
    ) -> [RowPart]? {
        guard let sparsity, let rows else { return nil }
        let share = sparsity.policy.gradientShare
        /// What all of these rows compute, with the gradients of those chosen above.
        func narrowed(_ uses: [ChannelUse], _ chosen: GradientRows?) -> [ChannelUse] {
            guard let chosen else { return uses }
            return zip(uses, readers).map { use, reader in
                var use = use
                // Keys and values get gradients from later rows, whatever becomes of their own row's.
                use.gradient = reader == .sameRow ? .chosen(chosen) : .all
                return use
            }
        }
        let gradients = share < 1 ? sparsity.gradients.rows(layer: layer) : nil
        let all = readers.map { _ in ChannelUse.all }
        guard let context, !context.allSatisfy(\.computesEverything) else {
            return gradients.map { [RowPart(rows: nil, uses: narrowed(all, $0.whole))] }
        }
        let sparse = RowPart(rows: rows.context, uses: narrowed(context, gradients?.context))
        guard rows.output.count > 0 else { return [sparse] }
        return [RowPart(rows: rows.output, uses: narrowed(all, gradients?.output)), sparse]
    }

    /// Which of the queries have a gradient at the layer's attention; nil for all.
    func queryGradients(of queries: QueryRows, layer: Int) -> QueryGradients? {
        guard let sparsity, queries.selection == nil, sparsity.policy.gradientShare < 1 else { return nil }
        return QueryGradients(sparsity.gradients.rows(layer: layer).whole)
    }

    /// What a block makes of all rows; gradients go through the block for as many rows as a policy wants.
    func choosingGradientRows(of x: Variable, madeBy layer: Int) -> Variable {
        guard let sparsity, case let share = sparsity.policy.gradientShare, share < 1 else { return x }
        let rows = sparsity.gradients.rows(layer: layer)
        return tape.choosingGradientRows(x, share: share, into: [rows.whole, rows.context, rows.output])
    }

    private static func sparsity(
        of batch: PackedSequences, outputRows: [Int32], shared: SharedPrefixes?,
        under policy: any SparsityPolicy, on backend: any Backend
    ) -> Sparsity? {
        let all = PartitionBuilder()
        let outputs = PartitionBuilder()
        var output = 0
        /// Output rows that may run sparse, the present one included.
        var candidates = 0
        for (sequence, (start, end)) in zip(batch.starts, batch.starts.dropFirst()).enumerated() {
            all.beginSequence()
            outputs.beginSequence()
            for row in start + Int32(shared?.sharedCounts[sequence] ?? 0)..<end {
                let isOutput = output < outputRows.count && outputRows[output] == row
                var isSparse = row - start >= policy.denseLeadingTokens
                if isOutput, isSparse {
                    // The share's rows lie evenly among the others.
                    candidates += 1
                    let count = { (rows: Int) in (Double(rows) * policy.sparseOutputShare).rounded() }
                    isSparse = count(candidates) > count(candidates - 1)
                }
                all.append(shared?.sources[Int(row)] ?? row, isSparse: isSparse)
                guard isOutput else { continue }
                outputs.append(Int32(output), isSparse: isSparse)
                output += 1
            }
        }
        guard let rows = all.partition(on: backend) else { return nil }
        return Sparsity(
            policy: policy, rows: rows, outputRows: outputs.partition(on: backend),
            gradients: ChosenGradients(rows))
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

/// For each layer the rows whose gradients go through it.
private final class ChosenGradients {
    struct Layer {
        /// Of all rows, of the context rows and of the output rows.
        let whole, context, output: GradientRows
    }

    private let rows: RowPartition
    private var byLayer: [Int: Layer] = [:]

    init(_ rows: RowPartition) { self.rows = rows }

    func rows(layer: Int) -> Layer {
        if let known = byLayer[layer] { return known }
        let made = Layer(
            whole: GradientRows(among: nil), context: GradientRows(among: rows.context),
            output: GradientRows(among: rows.output))
        byLayer[layer] = made
        return made
    }
}

/// Gathers rows, sequence by sequence.
private final class PartitionBuilder {
    private var context: [Int32] = []
    private var starts: [Int] = []
    private var dense: [Int32] = []

    func beginSequence() { starts.append(context.count) }

    func append(_ row: Int32, isSparse: Bool) {
        if isSparse { context.append(row) } else { dense.append(row) }
    }

    /// Nil when no row is sparse.
    func partition(on backend: any Backend) -> RowPartition? {
        guard !context.isEmpty else { return nil }
        return RowPartition(
            context: backend.upload(context), contextStarts: starts + [context.count],
            output: backend.upload(dense))
    }
}
