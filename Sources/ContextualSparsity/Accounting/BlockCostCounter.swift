// Adds up what blocks cost, from the first to the last, following where gradients are needed.

import Models

/// Rows, and how many of them run sparse.
struct PartitionedRows {
    let all: Int
    let sparse: Int
    var dense: Int { all - sparse }
}

/// Of rows, the shares that give a layer gradients.
struct GradientShares {
    let scored: Double
    let others: Double
    /// Of those that run dense: the scored ones, and others besides.
    let dense: Double

    /// Of the others some run sparse.
    var sparse: Double { others }

    /// Of all rows.
    static let all = GradientShares(scored: 1, others: 1, dense: 1)

    private init(scored: Double, others: Double, dense: Double) {
        self.scored = scored
        self.others = others
        self.dense = dense
    }

    /// The rows with the largest gradients: scored ones, which the loss asks most of, before others. No scored row runs
    /// sparse: plans with a share below 1 do not allow it.
    init(_ share: Double, of rows: PartitionedRows, scoredCount: Int) {
        let chosen = share * Double(rows.all)
        let (scoredRows, otherRows) = (Double(scoredCount), Double(rows.all - scoredCount))
        let chosenScored = min(chosen, scoredRows)
        scored = scoredCount > 0 ? chosenScored / scoredRows : 0
        others = otherRows > 0 ? (chosen - chosenScored) / otherRows : 0
        let unscoredDense = Double(rows.dense) - scoredRows
        dense = rows.dense > 0 ? (chosenScored + others * unscoredDense) / Double(rows.dense) : 0
    }
}

/// Pairs of queries and keys that they see.
struct QueryPairs {
    let scored: Double
    let others: Double
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
    ///   - gradients: of the queries, the shares whose gradients go through the block.
    mutating func count(
        _ layer: Int, keys: PartitionedRows, queries: PartitionedRows, pairs: QueryPairs,
        gradients: GradientShares
    ) {
        let attended = countAttention(layer, keys: keys, queries: queries, pairs: pairs, gradients: gradients)
        let residual = needsGradient || attended
        needsGradient = countFeedForward(layer, rows: queries, needsGradient: residual, gradients: gradients)
    }

    /// Gives whether the result needs a gradient.
    private mutating func countAttention(
        _ layer: Int, keys: PartitionedRows, queries: PartitionedRows, pairs: QueryPairs,
        gradients: GradientShares
    ) -> Bool {
        let share = plan.attention[layer] ?? 0
        let (width, keyValueWidth) = (model.width, model.keyValueWidth)
        let kept = AttentionChannels(model, plan, share: share)
        let isReplaced = share > 0 && plan.method == .calibrated
        func projection(
            _ name: BlockProjection, _ rows: PartitionedRows, output: Int, keeping: Int,
            gradients: GradientShares
        ) -> Product {
            Product(
                rows: rows, input: width, output: output,
                sparseCost: isReplaced ? kept.rank * output : width * keeping,
                rank: ranks[layer, name], gradients: gradients)
        }
        let query = projection(
            .query, queries, output: model.queryWidth, keeping: kept.queries, gradients: gradients)
        // Every key and value gets a gradient from the queries that have one.
        let key = projection(.key, keys, output: keyValueWidth, keeping: kept.keys, gradients: .all)
        let value = projection(.value, keys, output: keyValueWidth, keeping: kept.values, gradients: .all)
        if isReplaced {
            // The map's first factor, which the three share.
            let shared = 2 * Double(keys.sparse) * Double(width) * Double(kept.rank)
            cost.frozenForward += shared
            if needsGradient { cost.frozenBackward += shared }
        }
        let inputNeedsGradient = needsGradient
        for product in [query, key, value] {
            add(product, inputNeedsGradient: inputNeedsGradient)
            // The published estimator scores every context row through its factors.
            if plan.method == .paper, share > 0 {
                cost.estimator += product.lowRank(estimatorRank, product.rows.sparse)
            }
        }
        let attentionNeedsGradient = inputNeedsGradient || [query, key, value].contains { $0.rank > 0 }
        // Two products forward; five backward, scores and their gradient included.
        func products(_ gradientShare: Double) -> Double {
            2 + (attentionNeedsGradient ? 5 * gradientShare : 0)
        }
        cost.attention +=
            (products(gradients.scored) * pairs.scored + products(gradients.others) * pairs.others)
            * 2 * Double(model.queryWidth)
        let output = Product(
            rows: queries, input: model.queryWidth, output: width,
            sparseCost: isReplaced
                ? kept.outputRank * (model.queryWidth + width) : kept.outputInputs * width,
            rank: ranks[layer, .output], gradients: gradients)
        add(output, inputNeedsGradient: attentionNeedsGradient)
        return attentionNeedsGradient || output.rank > 0
    }

    /// No weight has more singular values than the model's width.
    private var estimatorRank: Int { min(plan.rank, model.width) }

    /// Gives whether the result needs a gradient.
    private mutating func countFeedForward(
        _ layer: Int, rows: PartitionedRows, needsGradient: Bool, gradients: GradientShares
    ) -> Bool {
        let share = plan.feedForward[layer] ?? 0
        let (width, inner) = (model.width, model.feedForwardWidth)
        let kept = plan.keptChannels(of: inner, dropping: share)
        let seesKeptOnly = share > 0 && plan.feedForwardAdapters == .channelMasked
        func gated(_ name: BlockProjection) -> Product {
            Product(
                rows: rows, input: width, output: inner, sparseCost: width * kept, rank: ranks[layer, name],
                gradients: gradients, adapterOutput: seesKeptOnly ? kept : inner)
        }
        let (gate, up) = (gated(.gate), gated(.up))
        let down = Product(
            rows: rows, input: inner, output: width, sparseCost: kept * width, rank: ranks[layer, .down],
            gradients: gradients, adapterInput: seesKeptOnly ? kept : inner)
        let innerNeedsGradient = needsGradient || gate.rank > 0 || up.rank > 0
        add(gate, inputNeedsGradient: needsGradient)
        add(up, inputNeedsGradient: needsGradient)
        add(down, inputNeedsGradient: innerNeedsGradient)
        if share > 0 {
            switch plan.method {
            case .calibrated:
                // What the other channels would have added is one map of the block's input to its output.
                let map = 2 * Double(rows.sparse) * Double(plan.rank) * Double(2 * width)
                cost.estimator += (1 + (needsGradient ? gradients.sparse : 0)) * map
            case .paper:
                // The published estimator scores one mean row of each sequence.
                cost.estimator += 2 * gate.lowRank(estimatorRank, sequenceCount)
            default: break
            }
        }
        return innerNeedsGradient || down.rank > 0
    }

    private mutating func add(_ product: Product, inputNeedsGradient: Bool) {
        cost.frozenForward += product.forward
        if inputNeedsGradient { cost.frozenBackward += product.backward }
        guard product.rank > 0 else { return }
        cost.adapters += product.adapter(inputNeedsGradient: inputNeedsGradient)
    }
}

/// How many channels, or what ranks, the context rows of one attention block keep.
private struct AttentionChannels {
    let queries: Int
    let keys: Int
    let values: Int
    /// Columns of the output projection.
    let outputInputs: Int
    /// Of the map that stands for query, key and value projections.
    let rank: Int
    /// Of the one that stands for the output projection.
    let outputRank: Int

    init(_ model: DecoderConfiguration, _ plan: SparsityPlan, share: Double) {
        let group = model.headCount / model.keyValueHeadCount
        let width = model.keyValueWidth
        keys =
            plan.pairAware && share > 0
            ? 2 * KeptChannels.count(of: width / 2, dropping: share)
            : KeptChannels.count(of: width, dropping: share)
        values = KeptChannels.count(of: width, dropping: share)
        queries = group * keys
        outputInputs = group * values
        rank = LowRankFit.rank(
            input: model.width, output: model.queryWidth + 2 * width, leavingOut: share)
        outputRank = LowRankFit.rank(input: model.queryWidth, output: model.width, leavingOut: share)
    }
}

/// One linear layer for some rows.
private struct Product {
    let rows: PartitionedRows
    let input: Int
    let output: Int
    /// Multiply-adds of the frozen weight, or of what stands for it, for one sparse row.
    let sparseCost: Int
    let rank: Int
    /// Of the rows, that give the adapter and the input a gradient.
    let gradients: GradientShares
    /// How many of its inputs and outputs the adapter sees of a sparse row.
    let adapterInput: Int
    let adapterOutput: Int

    init(
        rows: PartitionedRows, input: Int, output: Int, sparseCost: Int, rank: Int,
        gradients: GradientShares, adapterInput: Int? = nil, adapterOutput: Int? = nil
    ) {
        self.rows = rows
        self.input = input
        self.output = output
        self.sparseCost = sparseCost
        self.rank = rank
        self.gradients = gradients
        self.adapterInput = adapterInput ?? input
        self.adapterOutput = adapterOutput ?? output
    }

    /// The frozen weight, once.
    var forward: Double { dense + sparse }
    /// The gradient of its input.
    var backward: Double { gradients.dense * dense + gradients.sparse * sparse }

    private var dense: Double { 2 * Double(rows.dense) * Double(input) * Double(output) }
    private var sparse: Double { 2 * Double(rows.sparse) * Double(sparseCost) }

    /// The adapter, forward and backward.
    func adapter(inputNeedsGradient: Bool) -> Double {
        func passes(_ rowCount: Int, into input: Int, outOf output: Int, _ gradientShare: Double) -> Double {
            // Forward both factors; backward the gradients of both, that of the projected input, and the input's.
            let into = (1 + (inputNeedsGradient ? 2 : 1) * gradientShare) * Double(input)
            let out = (1 + 2 * gradientShare) * Double(output)
            return 2 * Double(rank) * Double(rowCount) * (into + out)
        }
        return passes(rows.dense, into: input, outOf: output, gradients.dense)
            + passes(rows.sparse, into: adapterInput, outOf: adapterOutput, gradients.sparse)
    }

    /// Two factors of some rank from this layer's input to its output.
    func lowRank(_ rank: Int, _ rowCount: Int) -> Double {
        2 * Double(rowCount) * Double(rank) * (Double(input) + Double(output))
    }
}
