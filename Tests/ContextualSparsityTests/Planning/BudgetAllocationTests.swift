// Where a budget goes, with costs and sensitivities made up.

import Testing

@testable import ContextualSparsity

@Suite struct `A budget's allocation` {
    /// Four layers; the first hurts most, the last cannot be sparse.
    private let sensitivity = BlockSensitivity(
        feedForward: [1, 0.1, 0.01, nil], attention: [0.5, 0.05, 0.005, nil], denseLoss: 2)

    /// Feed-forward networks cost 3, attention 1.
    private func cost(_ plan: SparsityPlan?) -> Double {
        let feedForward = (0..<4).reduce(0.0) { $0 + 3 * (1 - (plan?.feedForward[$1] ?? 0)) }
        return feedForward + (0..<4).reduce(0.0) { $0 + 1 - (plan?.attention[$1] ?? 0) }
    }

    private func allocation(_ goal: BudgetAllocation.Goal) -> BudgetAllocation {
        BudgetAllocation(sensitivity, goal: goal, base: SparsityPlan(), cost: cost)
    }

    @Test func `meets the share and leaves out most where it hurts least`() {
        let allocation = allocation(.flopShare(0.75))
        #expect(allocation.flopShare <= 0.75)
        let shares = (0..<3).map { allocation.plan.feedForward[$0] ?? 0 }
        #expect(shares[2] > shares[1] && shares[1] >= shares[0])
        #expect(allocation.plan.feedForward[3] == nil && allocation.plan.attention[3] == nil)
    }

    @Test func `gives the least possible for a budget that cannot be met`() {
        let allocation = allocation(.flopShare(0.01))
        #expect(allocation.flopShare > 0.25)
        #expect(allocation.plan.feedForward[0] == allocation.plan.feedForward[2])
    }

    @Test func `spends nothing of a whole budget`() {
        #expect(allocation(.flopShare(1)).plan.isDense)
    }

    @Test func `stays within a divergence, and uses most of it`() {
        for bound in [0.02, 0.3, 2] {
            let allocation = allocation(.divergence(bound))
            #expect(allocation.predictedDivergence <= bound)
            #expect(allocation.predictedDivergence > bound / 10)
        }
        #expect(allocation(.divergence(0)).plan.isDense)
    }

    @Test func `takes more for more`() {
        let shares = [0.9, 0.8, 0.7, 0.6, 0.5].map { allocation(.flopShare($0)).predictedDivergence }
        #expect(shares == shares.sorted())
    }
}
