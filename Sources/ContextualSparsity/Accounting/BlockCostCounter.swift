// Adds up what blocks cost, from the first to the last, following where gradients are needed.

import Models

/// Rows, and how many of them run sparse.
struct PartitionedRows {
    let all: Int
    let sparse: Int
    var dense: Int { all - sparse }
}

struct BlockCostCounter {
    let model: DecoderConfiguration
    let ranks: AdapterRanks
    let plan: SparsityPlan
    let sequenceCount: Int
    private(set) var cost = StepCost()
    /// Whether something trainable lies beneath the next block.
    private(set) var needsGradient = false

    init(model: DecoderConfiguration, ranks: AdapterRanks, plan: SparsityPlan, sequenceCount: Int) {
        self.model = model
        self.ranks = ranks
        self.plan = plan
        self.sequenceCount = sequenceCount
    }

    /// - Parameters:
    ///   - keys: the rows that become keys and values.
    ///   - queries: those that become queries and go on from there.
    ///   - pairs: of queries and keys that they see.
    mutating func count(_ layer: Int, keys: PartitionedRows, queries: PartitionedRows, pairs: Double) {
        let attended = countAttention(layer, keys: keys, queries: queries, pairs: pairs)
        let residual = needsGradient || attended
        needsGradient = countFeedForward(layer, rows: queries, needsGradient: residual)
    }

    /// Gives whether the result needs a gradient.
    private mutating func countAttention(
        _ layer: Int, keys: PartitionedRows, queries: PartitionedRows, pairs: Double
    ) -> Bool {
        let share = plan.attention[layer] ?? 0
        let (width, keyValueWidth) = (model.width, model.keyValueWidth)
        let group = model.headCount / model.keyValueHeadCount
        let keptKeys =
            plan.pairAware && share > 0
            ? 2 * KeptChannels.count(of: keyValueWidth / 2, dropping: share)
            : KeptChannels.count(of: keyValueWidth, dropping: share)
        let keptValues = KeptChannels.count(of: keyValueWidth, dropping: share)

        func projection(_ name: BlockProjection, _ rows: PartitionedRows, output: Int, kept: Int) -> Product {
            Product(
                rows: share > 0 ? rows : PartitionedRows(all: rows.all, sparse: 0), input: width,
                output: output, keptInput: width, keptOutput: kept, rank: ranks[layer, name],
                adapterSeesKeptOnly: false)
        }
        let query = projection(.query, queries, output: model.queryWidth, kept: group * keptKeys)
        let key = projection(.key, keys, output: keyValueWidth, kept: keptKeys)
        let value = projection(.value, keys, output: keyValueWidth, kept: keptValues)
        let inputNeedsGradient = needsGradient
        for product in [query, key, value] {
            add(product, inputNeedsGradient: inputNeedsGradient)
            if product.rows.sparse > 0 {
                addCompensation(product, inputNeedsGradient: inputNeedsGradient)
                // The published estimator scores every context row through its factors.
                if plan.method == .paper { cost.estimator += product.lowRank(plan.rank, product.rows.sparse) }
            }
        }
        let attentionNeedsGradient = inputNeedsGradient || [query, key, value].contains { $0.rank > 0 }
        // Two products forward; five backward, scores and their gradient included.
        cost.attention +=
            (attentionNeedsGradient ? 7 : 2) * 2 * pairs * Double(model.queryWidth)
        let output = Product(
            rows: share > 0 ? queries : PartitionedRows(all: queries.all, sparse: 0),
            input: model.queryWidth, output: width, keptInput: group * keptValues, keptOutput: width,
            rank: ranks[layer, .output], adapterSeesKeptOnly: false)
        add(output, inputNeedsGradient: attentionNeedsGradient)
        return attentionNeedsGradient || output.rank > 0
    }

    /// Gives whether the result needs a gradient.
    private mutating func countFeedForward(_ layer: Int, rows: PartitionedRows, needsGradient: Bool) -> Bool {
        let share = plan.feedForward[layer] ?? 0
        let (width, inner) = (model.width, model.feedForwardWidth)
        let kept = KeptChannels.count(of: inner, dropping: share)
        let rows = share > 0 ? rows : PartitionedRows(all: rows.all, sparse: 0)
        let seesKeptOnly = plan.feedForwardAdapters == .channelMasked
        func gated(_ name: BlockProjection) -> Product {
            Product(
                rows: rows, input: width, output: inner, keptInput: width, keptOutput: kept,
                rank: ranks[layer, name], adapterSeesKeptOnly: seesKeptOnly)
        }
        let (gate, up) = (gated(.gate), gated(.up))
        let down = Product(
            rows: rows, input: inner, output: width, keptInput: kept, keptOutput: width,
            rank: ranks[layer, .down], adapterSeesKeptOnly: seesKeptOnly)
        let innerNeedsGradient = needsGradient || gate.rank > 0 || up.rank > 0
        add(gate, inputNeedsGradient: needsGradient)
        add(up, inputNeedsGradient: needsGradient)
        add(down, inputNeedsGradient: innerNeedsGradient)
        if rows.sparse > 0 {
            // What the other channels would have added is one map of the block's input to its output. Its second
            // factor is made once: the estimate of the other channels times their rows of the down projection.
            let whole = Product(
                rows: rows, input: width, output: width, keptInput: width, keptOutput: width, rank: 0,
                adapterSeesKeptOnly: false)
            addCompensation(whole, inputNeedsGradient: needsGradient)
            if plan.method == .calibrated {
                cost.estimator += 2 * Double(plan.rank) * Double(inner - kept) * Double(width)
            }
            // The published estimator scores one mean row of each sequence.
            if plan.method == .paper { cost.estimator += 2 * gate.lowRank(plan.rank, sequenceCount) }
        }
        return innerNeedsGradient || down.rank > 0
    }

    private mutating func add(_ product: Product, inputNeedsGradient: Bool) {
        cost.frozenForward += product.frozen
        if inputNeedsGradient { cost.frozenBackward += product.frozen }
        guard product.rank > 0 else { return }
        let (input, output) = (product.adapterInput, product.adapterOutput)
        // Forward both factors; backward the gradients of both factors, that of the projected input, and the input's.
        cost.adapters += 2 * input + 3 * output + (inputNeedsGradient ? input : 0)
    }

    /// A low-rank map for every sparse row, forward and backward.
    private mutating func addCompensation(_ product: Product, inputNeedsGradient: Bool) {
        guard plan.method == .calibrated else { return }
        cost.estimator += (inputNeedsGradient ? 2 : 1) * product.lowRank(plan.rank, product.rows.sparse)
    }
}

/// One linear layer for some rows.
private struct Product {
    let rows: PartitionedRows
    let input: Int
    let output: Int
    let keptInput: Int
    let keptOutput: Int
    let rank: Int
    let adapterSeesKeptOnly: Bool

    /// The frozen weight, once.
    var frozen: Double {
        2
            * (Double(rows.dense) * Double(input) * Double(output)
                + Double(rows.sparse) * Double(keptInput) * Double(keptOutput))
    }

    /// The adapter's first factor, once.
    var adapterInput: Double { factor(input, kept: keptInput) }
    /// The adapter's second factor, once.
    var adapterOutput: Double { factor(output, kept: keptOutput) }

    private func factor(_ width: Int, kept: Int) -> Double {
        let sparseWidth = adapterSeesKeptOnly ? kept : width
        return 2 * Double(rank)
            * (Double(rows.dense) * Double(width) + Double(rows.sparse) * Double(sparseWidth))
    }

    /// Two factors of some rank from this layer's input to its output.
    func lowRank(_ rank: Int, _ rowCount: Int) -> Double {
        2 * Double(rowCount) * Double(rank) * (Double(input) + Double(output))
    }
}
