// Spends a budget of operations where leaving them out hurts least.

import Models

/// A plan grown step by step: each step takes the block and the next level that cost the least divergence for the
/// operations that they save.
package struct BudgetAllocation: Sendable {
    /// When to stop.
    package enum Goal: Sendable {
        /// At this share of plain LoRA's operations.
        case flopShare(Double)
        /// Before the predicted divergence exceeds this many nats a token.
        case divergence(Double)
    }

    package let plan: SparsityPlan
    /// The sum of the blocks' divergences: what the plan is expected to do.
    package let predictedDivergence: Double
    /// Of the sample's operations, against those of plain LoRA.
    package let flopShare: Double

    /// What a share does relative to the share that sensitivities are measured at. Readings on SmolLM2-135M, see
    /// docs/LOG.md; whole plans follow the sum of their blocks within a tenth.
    private static let feedForwardLevels: [(share: Double, harm: Double)] = [
        (0, 0), (0.25, 0.2), (0.5, 0.48), (0.625, 0.7), (0.75, 1), (0.8125, 1.35), (0.875, 1.8),
        (0.9375, 2.8),
    ]
    private static let attentionLevels: [(share: Double, harm: Double)] = [
        (0, 0), (0.25, 0.35), (0.375, 0.6), (0.5, 1), (0.625, 1.8), (0.75, 3.2),
    ]

    /// - Parameters:
    ///   - base: everything about the plan but its shares.
    ///   - cost: operations of the sample under a plan; without one those of plain LoRA, where every sequence computes
    ///     every channel of every row.
    /// - Returns: as near to the goal as the levels allow; a budget below what is possible gives the least possible.
    package init(
        _ sensitivity: BlockSensitivity, goal: Goal, base: SparsityPlan,
        cost: (SparsityPlan?) -> Double
    ) {
        var plan = base
        plan.feedForward = [:]
        plan.attention = [:]
        let plain = cost(nil)
        var total = cost(plan)
        var candidates = Self.blocks(sensitivity, base: plan, cost: cost, start: total)
        var divergence = 0.0
        while true {
            if case .flopShare(let share) = goal, total <= share * plain { break }
            guard
                let best = candidates.indices.filter({ candidates[$0].next != nil }).min(by: {
                    candidates[$0].price < candidates[$1].price
                }), let next = candidates[best].next
            else { break }
            let block = candidates[best]
            if case .divergence(let bound) = goal, divergence + block.harm(to: next) > bound { break }
            divergence += block.harm(to: next)
            total -= block.saving(to: next)
            candidates[best].level = next
            let share = block.levels[next].share
            if block.isFeedForward {
                plan.feedForward[block.layer] = share
            } else {
                plan.attention[block.layer] = share
            }
        }
        self.plan = plan
        predictedDivergence = divergence
        flopShare = plain > 0 ? cost(plan) / plain : 1
    }

    /// What the cheapest plan spends, whatever it does to the predictions.
    package static func leastShare(
        layerCount: Int, base: SparsityPlan, cost: (SparsityPlan?) -> Double
    ) -> Double {
        let alike = [Double?](repeating: 1, count: max(0, layerCount - 1)) + [nil]
        return BudgetAllocation(
            BlockSensitivity(feedForward: alike, attention: alike, denseLoss: 1), goal: .flopShare(0),
            base: base, cost: cost
        ).flopShare
    }

    private static func blocks(
        _ sensitivity: BlockSensitivity, base: SparsityPlan, cost: (SparsityPlan?) -> Double, start: Double
    ) -> [Block] {
        func block(_ layer: Int, _ isFeedForward: Bool, _ divergence: Double?) -> Block? {
            guard let divergence else { return nil }
            let levels = isFeedForward ? feedForwardLevels : attentionLevels
            let costs = levels.map { level in
                var plan = base
                if isFeedForward {
                    plan.feedForward = [layer: level.share]
                } else {
                    plan.attention = [layer: level.share]
                }
                return level.share == 0 ? start : cost(plan)
            }
            return Block(
                layer: layer, isFeedForward: isFeedForward, sensitivity: divergence, levels: levels,
                costs: costs)
        }
        return sensitivity.feedForward.indices.flatMap { layer in
            [
                block(layer, true, sensitivity.feedForward[layer]),
                block(layer, false, sensitivity.attention[layer]),
            ].compactMap { $0 }
        }
    }

    /// One block on its way to fewer operations.
    private struct Block {
        let layer: Int
        let isFeedForward: Bool
        let sensitivity: Double
        let levels: [(share: Double, harm: Double)]
        /// Of the whole sample with this block alone at each level.
        let costs: [Double]
        var level = 0

        func harm(to next: Int) -> Double { sensitivity * (levels[next].harm - levels[level].harm) }
        func saving(to next: Int) -> Double { costs[level] - costs[next] }

        /// The level with the least harm for what it saves: the first steps of a map that costs something may save
        /// nothing.
        var next: Int? {
            (level + 1..<levels.count).filter { saving(to: $0) > 0 }.min { price(to: $0) < price(to: $1) }
        }
        var price: Double { next.map(price) ?? .infinity }
        private func price(to next: Int) -> Double { harm(to: next) / saving(to: next) }
    }
}
