// Contextual sparsity in a run: from what the user asked for to what the steps do.

package import ContextualSparsity
package import FileSupport
package import Models
internal import TensorEngine

/// The sparse part of a run: which steps, which channels, and what that saves.
package final class TrainingSparsity {
    package let plan: SparsityPlan
    private let policy: CalibratedSparsity
    /// Operations of the sampled batches, dense and under the plan.
    package let dense: StepCost
    package let sparse: StepCost
    private var isActive = false

    /// Reads or makes the plan, and calibrates it on the first batches of the data.
    ///
    /// A function of configuration, model and data, with the adapters as they are before the first step: a resumed run
    /// calibrates to the same channels.
    /// - Returns: nil, with the reason, where there is nothing to leave out.
    /// - Throws: `InputError` when the plan cannot be read or met, or asks for what is not supported.
    package static func prepared(
        _ section: SparsitySection, choice: String, model: CausalLM, examples: [TokenizedExample],
        batchOptions: BatchOptions
    ) throws(InputError) -> (sparsity: TrainingSparsity?, note: String) {
        var stream = BatchStream(examples, options: batchOptions)
        var sample: [Batch] = []
        var contextTokens = 0
        let limit = stream.batchCount(epoch: 0)
        while contextTokens < section.calibrationTokens, sample.count < limit {
            let batch = stream.next()
            contextTokens += batch.tokens.count - batch.labelledCount - batch.sequenceCount
            sample.append(batch)
        }
        let settings = FitSettings()
        guard contextTokens >= 4 * settings.rank else {
            return (
                nil,
                "\(max(0, contextTokens)) context tokens in the data are too few to leave work out: training densely"
            )
        }
        let shape = model.configuration
        let ranks = AdapterRanks(model)
        func cost(_ plan: SparsityPlan?) -> StepCost {
            sample.reduce(StepCost()) {
                $0
                    + StepCost(
                        shape, adapters: ranks, rows: StepRows($1.sequences, labels: $1.labels), plan: plan)
            }
        }
        let plan: SparsityPlan
        if let budget = Double(choice) {
            plan = try self.plan(spending: budget, layerCount: shape.layerCount, cost: cost)
        } else {
            plan = try SparsityPlan(contentsOf: choice, mode: section.mode)
        }
        try plan.validate(for: shape, location: choice)
        try requireSupported(plan, location: choice)
        let policy = try CalibratedSparsity(
            model, shares: plan.feedForward,
            sample: sample.map { batch in
                var sequences = batch.sequences
                sequences.outputRows = batch.labels.indices.filter { batch.labels[$0] >= 0 }.map { Int32($0) }
                return sequences
            }, rowLimit: section.calibrationTokens, settings: settings)
        let run = TrainingSparsity(plan, policy, dense: cost(nil), sparse: cost(plan))
        return (run, run.description)
    }

    private init(_ plan: SparsityPlan, _ policy: CalibratedSparsity, dense: StepCost, sparse: StepCost) {
        self.plan = plan
        self.policy = policy
        self.dense = dense
        self.sparse = sparse
    }

    /// Nil in dense steps.
    package var activePolicy: (any SparsityPolicy)? { isActive ? policy : nil }

    package func prepare(step: Int, of total: Int) { isActive = plan.isSparse(step: step, of: total) }

    /// One line for people.
    private var description: String {
        let layers = policy.sparseLayers
        let percent = Int((100 * sparse.total / dense.total).rounded())
        let speedUp = (sparse.speedUp(over: dense) * 100).rounded() / 100
        let start = plan.startStep.value
        return "feed-forward of \(layers.count) layers, \(percent)% of the dense operations in sparse steps, "
            + "\(speedUp)x expected, from \(start <= 1 ? "\(Int(100 * start))% of the steps" : "step \(Int(start))") on"
    }

    /// The same share in every layer but the first tenth, whose errors all later layers see, and the last.
    private static func plan(
        spending budget: Double, layerCount: Int, cost: (SparsityPlan?) -> StepCost
    ) throws(InputError) -> SparsityPlan {
        guard budget > 0, budget <= 1 else {
            throw InputError(
                "sparsity.plan", expected: "a share above 0 and up to 1, or a file", found: "\(budget)")
        }
        let layers = layerCount / 10..<max(layerCount / 10, layerCount - 1)
        func plan(_ share: Double) -> SparsityPlan {
            .uniform(feedForward: share, attention: 0, layers: layers)
        }
        let dense = cost(nil).total
        let lowest = cost(plan(largestShare)).total / dense
        guard lowest <= budget else {
            let best = Double(Int((100 * lowest).rounded(.up))) / 100
            throw InputError(
                "sparsity.plan", "no plan spends only \(budget) of the dense operations on this data",
                advice: "The least is \(best): most of the rest is trained tokens, attention and the head.")
        }
        var (low, high) = (0.0, largestShare)
        for _ in 0..<20 {
            let middle = (low + high) / 2
            if cost(plan(middle)).total / dense <= budget { high = middle } else { low = middle }
        }
        return plan(high)
    }

    /// Beyond this the fitted stand-in has little left to work with.
    private static let largestShare = 0.9

    private static func requireSupported(_ plan: SparsityPlan, location: String) throws(InputError) {
        func refuse(_ key: String, _ isUsed: Bool) throws(InputError) {
            guard isUsed else { return }
            throw InputError(
                "\(location) \(key)", "training does not support this yet",
                advice: "Supported: method calibrated, feed-forward shares, context tokens by label.")
        }
        try refuse("method: \(plan.method.rawValue)", plan.method != .calibrated)
        try refuse("attention", plan.attention.values.contains { $0 > 0 })
        try refuse("context_tokens: all", plan.contextTokens != .labels)
        try refuse("sparse_output_share", plan.sparseOutputShare > 0)
        try refuse("feed_forward_adapters: dense", plan.feedForwardAdapters != .channelMasked)
        try refuse("dense_sink_tokens", plan.denseSinkTokens > 1)
    }
}
