// What a training step costs in floating-point operations, by part.

package import Models

/// Floating-point operations of one forward and backward pass; a multiplication with its addition counts as two.
///
/// Counts the products that the engine computes: rows that sequences share once, no input gradients where nothing
/// trainable lies beneath, queries, output projection and feed-forward block of the last layer for labelled rows only,
/// logits for labelled rows only, attention for the pairs that the mask lets through. Norms, rotations, activations,
/// softmax and the optimiser are left out: together they are well below a hundredth.
package struct StepCost: Equatable, Sendable {
    /// Products with frozen weights, the head aside.
    package var frozenForward = 0.0
    /// Input gradients through frozen weights, the head aside.
    package var frozenBackward = 0.0
    /// Adapters, forward and backward.
    package var adapters = 0.0
    /// Scores and weighted sums, forward and backward.
    package var attention = 0.0
    /// Logits and their gradient.
    package var head = 0.0
    /// Estimating which channels matter, and standing in for the others.
    package var estimator = 0.0

    package init() {}

    package var total: Double {
        parts.reduce(0) { $0 + $1.operations }
    }

    /// Every part with its name.
    package var parts: [(name: String, operations: Double)] {
        [
            ("frozen forward", frozenForward), ("frozen backward", frozenBackward), ("adapters", adapters),
            ("attention", attention), ("head", head), ("estimates", estimator),
        ]
    }

    /// The cost of several batches together.
    package static func + (left: StepCost, right: StepCost) -> StepCost {
        var sum = left
        sum.frozenForward += right.frozenForward
        sum.frozenBackward += right.frozenBackward
        sum.adapters += right.adapters
        sum.attention += right.attention
        sum.head += right.head
        sum.estimator += right.estimator
        return sum
    }

    /// How many times faster this would be than `dense` if operations were all that takes time.
    package func speedUp(over dense: StepCost) -> Double { total > 0 ? dense.total / total : 1 }

    /// The cost of a step.
    ///
    /// - Parameter plan: the sparsity of the step; nil for a dense one.
    package init(
        _ model: DecoderConfiguration, adapters ranks: AdapterRanks, rows: StepRows, plan: SparsityPlan? = nil
    ) {
        let labelled = rows.labelledCount
        // Without a scored row the engine computes nothing.
        guard labelled > 0 else { return }
        let plan = plan ?? SparsityPlan()
        let rows = plan.allowsSharedPrefixes ? rows : rows.unshared
        let sparse = rows.sparseCount(under: plan)
        var counter = BlockCostCounter(
            model: model, ranks: ranks, plan: plan, sequenceCount: rows.sequenceLengths.count)
        // Once for each window: planning counts thousands of plans.
        var pairs: [Int: AttentionPairs] = [:]
        for window in Set(model.windows) { pairs[window] = rows.attentionPairs(window: window) }
        for layer in 0..<model.layerCount {
            // Of the last block's queries nothing is computed but output rows.
            let isLabelledOnly = layer == model.layerCount - 1 && labelled < rows.rowCount
            guard let pairs = pairs[model.windows[layer]] else {
                preconditionFailure("pairs of every window")
            }
            let keys = PartitionedRows(all: rows.rowCount, sparse: sparse)
            let queries =
                isLabelledOnly
                ? PartitionedRows(all: labelled, sparse: rows.sparseOutputCount(under: plan)) : keys
            counter.count(
                layer, keys: keys, queries: queries,
                pairs: QueryPairs(
                    scored: pairs.labelled, others: isLabelledOnly ? 0 : pairs.all - pairs.labelled),
                gradients: layer == model.layerCount - 1 || plan.gradientShare == 1
                    ? .all : GradientShares(plan.gradientShare, of: queries, scoredCount: labelled))
        }
        self = counter.cost
        let product = 2 * Double(labelled) * Double(model.width) * Double(model.vocabularySize)
        head = product
        if counter.needsGradient { head += plan.wordThreshold > 0 ? plan.wordShare * product : product }
    }
}
