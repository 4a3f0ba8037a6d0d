// Costs against counts made by hand: see `DecoderConfiguration.tiny`. Three rows, the middle one scored.

import ContextualSparsity
import Models
import Testing

@Suite struct StepCostTests {
    private let rows = StepRows(sequenceLengths: [3], answerLengths: [1])
    private let queries = AdapterRanks(1, at: [.query], layers: 0..<2, layerCount: 2)

    private func cost(_ ranks: AdapterRanks, _ plan: SparsityPlan? = nil) -> StepCost {
        StepCost(.tiny, adapters: ranks, rows: rows, plan: plan)
    }

    @Test func `a dense step counts what the engine computes`() {
        let cost = cost(queries)
        // Layer 0: q 96, k and v 48, o 96, three feed-forward products of 144. Layer 1: one row but for k and v.
        #expect(cost.frozenForward == 720 + 304)
        // No input gradient of q, k and v in layer 0: nothing trainable lies beneath.
        #expect(cost.frozenBackward == 96 + 432 + 304)
        #expect(cost.adapters == 120 + 48)
        // Pairs: 1 + 2 + 3, and 2 of the scored row alone; seven products of 2 * 4 each.
        #expect(cost.attention == 7 * 8 * 6 + 7 * 8 * 2)
        #expect(cost.head == 160)
        #expect(cost.estimator == 0)
        #expect(cost.total == 1024 + 832 + 168 + 448 + 160)
    }

    @Test func `scored rows that run sparse do so in the last layer too`() {
        var plan = SparsityPlan(method: .norm, feedForward: [1: 0.5])
        #expect(cost(queries, plan).frozenForward == 1024)
        plan.contextTokens = .all
        // Three products of one row at half their width.
        #expect(cost(queries, plan).frozenForward == 1024 - 72)
    }

    @Test func `without adapters nothing goes backward`() {
        let cost = cost(AdapterRanks(0, at: [], layers: 0..<0, layerCount: 2))
        #expect(cost.frozenForward == 1024)
        #expect(cost.frozenBackward == 0)
        #expect(cost.adapters == 0)
        #expect(cost.attention == 2 * 8 * 8)
        #expect(cost.head == 80)
    }

    @Test func `layers below the first adapter get no gradient`() {
        let cost = cost(AdapterRanks(1, at: [.query], layers: 1..<2, layerCount: 2))
        // Of layer 1, what follows the queries: o and the feed-forward block, one row.
        #expect(cost.frozenBackward == 32 + 144)
        #expect(cost.attention == 2 * 8 * 6 + 7 * 8 * 2)
    }

    @Test func `a sparse step keeps half for context rows and pays for the compensation`() {
        var plan = SparsityPlan(feedForward: [0: 0.5, 1: 0.5], attention: [0: 0.5])
        plan.rank = 1
        let cost = cost(queries, plan)
        // The first row is dense, the middle one scored: one row is sparse. Maps of rank 1 stand for q, k and v together
        // (72 + 36 + 36 and 8 for their first factor) and for o (80); three feed-forward products of 120.
        #expect(cost.frozenForward == 592 + 304)
        // Layer 1 has no context rows among those it computes.
        #expect(cost.frozenBackward == 80 + 360 + 304)
        #expect(cost.adapters == 168)
        #expect(cost.attention == 448)
        // The feed-forward map both ways.
        #expect(cost.estimator == 32)
    }

    @Test func `with gradients of some rows these cost the backward pass, keys and values all`() {
        var plan = SparsityPlan()
        plan.gradientShare = 0.5
        let cost = cost(queries, plan)
        #expect(cost.frozenForward == 1024)
        // Half of layer 0's three rows at its o and feed-forward products; layer 1, the last, as ever.
        #expect(cost.frozenBackward == 48 + 216 + 304)
        #expect(cost.adapters == 84 + 48)
        // Of the pairs 1 + 2 + 3 of layer 0 half have a gradient: 2 * 6 + 5 * 3 products.
        #expect(cost.attention == 8 * 27 + 112)
        let keys = AdapterRanks(1, at: [.key], layers: 0..<1, layerCount: 2)
        #expect(self.cost(keys, plan).adapters == self.cost(keys).adapters)
    }

    @Test func `the head's gradient costs what words are left`() {
        var plan = SparsityPlan()
        let dense = cost(queries, plan)
        (plan.wordThreshold, plan.wordShare) = (1e-4, 0.25)
        let some = cost(queries, plan)
        #expect(some.head == dense.head / 2 * 1.25)
        #expect(some.total - some.head == dense.total - dense.head)
        plan.wordThreshold = 0
        #expect(cost(queries, plan) == dense)
    }

    @Test func `gradients are those of scored rows first, which cost what dense rows cost`() {
        var plan = SparsityPlan(method: .random, feedForward: [0: 0.5])
        plan.denseSinkTokens = 1
        let all = cost(queries, plan)
        // One row and a half of three: the scored one, and a quarter each of the dense first one and the sparse last one.
        plan.gradientShare = 0.5
        let some = cost(queries, plan)
        let gate = 2.0 * 4 * 6
        // Layer 0's o (32 for a row) and feed-forward products (three times `gate`, half of it for the sparse row).
        let rows = { (dense: Double, sparse: Double) in
            32 * (dense + sparse) + 3 * gate * (dense + sparse / 2)
        }
        #expect(all.frozenBackward - some.frozenBackward == rows(2, 1) - rows(1.25, 0.25))
        // Without a gradient are three quarters of the pairs 1 and 3, in five products of 8.
        #expect(all.attention - some.attention == 5 * 8 * 0.75 * 4)
    }

    @Test func `the published estimator scores rows for attention and a mean for the feed-forward block`() {
        var plan = SparsityPlan(method: .paper, feedForward: [0: 0.5], attention: [0: 0.5])
        plan.rank = 1
        #expect(cost(queries, plan).estimator == 80 + 40)
    }

    @Test func `adapters of the feed-forward block see the kept channels or all of them`() {
        var plan = SparsityPlan(method: .random, feedForward: [0: 0.5])
        let gate = AdapterRanks(1, at: [.gate], layers: 0..<1, layerCount: 2)
        #expect(cost(gate, plan).adapters == 2 * 24 + 3 * 24)
        plan.feedForwardAdapters = .dense
        #expect(cost(gate, plan).adapters == 2 * 24 + 3 * 36)
    }

    @Test func `a plan without shares costs what a dense step costs`() {
        #expect(cost(queries, SparsityPlan()) == cost(queries))
        #expect(cost(queries).speedUp(over: cost(queries)) == 1)
    }

    @Test func `a batch without scored rows costs nothing`() {
        let rows = StepRows(sequenceLengths: [3], labelledPositions: [[]])
        #expect(StepCost(.tiny, adapters: queries, rows: rows).total == 0)
    }

    @Test func `rows are divided by label and sinks and shares`() {
        let rows = StepRows(
            PackedSequences([[1, 2, 3, 4, 5], [6, 7, 8]]), labels: [-1, -1, 1, 1, -1, -1, 2, -1])
        #expect(rows.sequenceLengths == [5, 3])
        #expect(rows.labelledPositions == [[2, 3], [1]])
        // The calibrated method keeps the first row of each sequence dense.
        #expect(rows.sparseCount(under: SparsityPlan()) == 3)
        var plan = SparsityPlan(method: .random)
        #expect(rows.sparseCount(under: plan) == 5)
        plan.denseSinkTokens = 2
        #expect(rows.sparseCount(under: plan) == 2)
        plan.sparseOutputShare = 0.5
        #expect(rows.sparseCount(under: plan) == 3)
        plan.contextTokens = .all
        #expect(rows.sparseCount(under: plan) == 4)
    }

    @Test func `rows that sequences share are counted once`() {
        let rows = StepRows(
            PackedSequences([[1, 2, 3], [1, 2, 4]]), labels: [-1, 1, -1, -1, -1, 1])
        // The second row is scored in the first sequence, so it is not shared.
        #expect(rows.sharedCounts == [0, 1])
        #expect(rows.tokenCount == 6 && rows.rowCount == 5 && rows.unshared.rowCount == 6)
        #expect(rows.sparseCount(under: SparsityPlan()) == 2)
        #expect(rows.sparseCount(under: SparsityPlan(method: .norm)) == 4)
        let cost = StepCost(.tiny, adapters: queries, rows: rows)
        let apart = StepCost(.tiny, adapters: queries, rows: rows.unshared)
        // A row of layer 0 (720 for three) and its keys and values in layer 1, where no others are computed.
        #expect(apart.frozenForward - cost.frozenForward == 240 + 32)
        // The pair of the first row with itself.
        #expect(apart.attention - cost.attention == 7 * 8)
        #expect(apart.head == cost.head)
        // Scores of the other methods average every sequence's rows.
        var plan = SparsityPlan(method: .norm, feedForward: [0: 0.5])
        #expect(
            StepCost(.tiny, adapters: queries, rows: rows, plan: plan)
                == StepCost(.tiny, adapters: queries, rows: rows.unshared, plan: plan))
        plan.method = .calibrated
        #expect(
            StepCost(.tiny, adapters: queries, rows: rows, plan: plan).total
                < StepCost(.tiny, adapters: queries, rows: rows.unshared, plan: plan).total)
        let both = StepRows(joining: [rows, rows])
        #expect(both.rowCount == 10 && both.sharedCounts == [0, 1, 0, 1])
    }

    @Test func `a window bounds the pairs of attention`() {
        var configuration = DecoderConfiguration.tiny
        configuration.windows = [2, 2]
        let ranks = AdapterRanks(0, at: [], layers: 0..<0, layerCount: 2)
        let rows = StepRows(sequenceLengths: [4], answerLengths: [1])
        // 1 + 2 + 2 + 2 pairs, then 2 of the scored row.
        #expect(StepCost(configuration, adapters: ranks, rows: rows).attention == 2 * 8 * 7 + 2 * 8 * 2)
    }
}
