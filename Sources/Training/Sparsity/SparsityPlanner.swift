// Makes plans for a model and a user's data: measures every block, spends a budget, checks the whole.

package import ContextualSparsity
package import FileSupport
package import Models

/// What planning is doing, for whoever waits.
public struct PlanningProgress: Sendable, Equatable {
    /// A few words, such as "measuring blocks".
    public let stage: String
    /// Of this stage, 0 to 1.
    public let share: Double
}

/// A plan, what it was made from, and the fitted policy that runs it.
package struct PlannedSparsity {
    /// With fingerprint, share of the operations and predicted rise of the loss.
    package let plan: SparsityPlan
    package let policy: CalibratedSparsity
    package let sensitivity: BlockSensitivity
    /// The whole plan against the dense model, on the sample.
    package let reading: DivergenceMeter.Reading
    package let scoredTokens: Int
    /// What the plan's steps cost, by part.
    package let operations: [SparsityReport.Part]
    /// Expected of sparse steps over dense ones of this program.
    package let speedUp: Double
}

/// Plans on one sample.
package final class SparsityPlanner {
    private let model: CausalLM
    private let sample: SparsitySample
    private let section: SparsitySection
    /// Of plain LoRA's operations, which plans will spend; nil for plans within a bound.
    private let budget: Double?
    /// Everything about the plans but their shares.
    private let base: SparsityPlan
    private let ranks: AdapterRanks
    private let recorded: InputRecorder
    private let meter: DivergenceMeter
    private let sensitivity: BlockSensitivity
    private let fingerprint: String
    private let onProgress: (PlanningProgress) -> Void

    /// In plans made here, words that no row of a batch finds so probable pass no gradient: of 49,152 words a tenth or
    /// less do, of 262,144 words 4%, and the gradient is within 1% of the exact one, see docs/LOG.md.
    static let wordThreshold = 1e-4

    /// Measures every block of the model on the sample.
    ///
    /// - Parameters:
    ///   - section: whether gradients must be exact.
    ///   - budget: the share of plain LoRA's operations that plans will spend; nil for plans within a bound.
    /// - Throws: `InputError` when the sample is too small, or no plan spends so little: both before blocks are measured.
    init(
        _ model: CausalLM, fingerprint: String, sample: SparsitySample, section: SparsitySection,
        spending budget: Double?, onProgress: @escaping (PlanningProgress) -> Void
    ) throws(InputError) {
        self.model = model
        self.fingerprint = fingerprint
        self.sample = sample
        self.section = section
        self.budget = budget
        self.onProgress = onProgress
        ranks = AdapterRanks(model)
        let (batch, targets) = sample.meterBatch(vocabularySize: model.configuration.vocabularySize)
        guard !targets.isEmpty else {
            throw InputError("sparsity", "the sample has no tokens that are trained on")
        }
        var base = SparsityPlan()
        if !section.exactGradients {
            base.wordThreshold = Self.wordThreshold
            base.wordShare = try sample.wordShare(model, threshold: Self.wordThreshold)
        }
        self.base = base
        if let budget {
            if !section.exactGradients { base.gradientShare = TrainingHarm.leastGradientShare }
            let least = BudgetAllocation.leastShare(
                layerCount: model.configuration.layerCount, base: base
            ) { [ranks] in sample.operations(model.configuration, ranks, under: $0) }
            guard least <= budget else { throw Self.unaffordable(budget, least: least) }
        }
        let measured = BlockSensitivity.measuredPlan(layerCount: model.configuration.layerCount)
        recorded = try InputRecorder(
            model, sample: sample.sequences, plan: measured, rowLimit: sample.contextTokens
        ) { onProgress(PlanningProgress(stage: "reading the sample", share: $0)) }
        meter = try DivergenceMeter(model, batch: batch, targets: targets)
        sensitivity = try BlockSensitivity(model, recorded: recorded, meter: meter) {
            onProgress(PlanningProgress(stage: "measuring blocks", share: $0))
        }
    }

    /// Measures on the first batches of a run's data.
    ///
    /// - Throws: `InputError` when there are too few context tokens.
    package convenience init(
        _ model: CausalLM, fingerprint: String, examples: [TokenizedExample], section: SparsitySection,
        spending budget: Double?, batchOptions: BatchOptions, onProgress: @escaping (PlanningProgress) -> Void
    ) throws(InputError) {
        let sample = SparsitySample(
            examples, options: batchOptions,
            contextTokens: section.calibrationTokens ?? SparsitySample.size(for: examples))
        guard sample.isEnough(for: nil, width: model.configuration.width) else {
            throw InputError("sparsity", sample.tooFew)
        }
        try self.init(
            model, fingerprint: fingerprint, sample: sample, section: section, spending: budget,
            onProgress: onProgress)
    }

    private func cost(_ plan: SparsityPlan?) -> Double {
        sample.operations(model.configuration, ranks, under: plan)
    }

    private static func unaffordable(_ share: Double, least: Double) -> InputError {
        InputError(
            "sparsity.plan", "no plan spends only \(share) of plain LoRA's operations on this data",
            advice: "The least is \((least * 100).rounded(.up) / 100): "
                + "most of the rest is trained tokens, attention and the head.")
    }

    /// The plan for the budget, or, without one, the cheapest within a bound of the loss.
    ///
    /// - Returns: nil when no plan within the bound saves anything.
    package func plan(within bound: Double) throws(InputError) -> PlannedSparsity? {
        if let budget { return try leastHarmful(spending: budget) }
        return try cheapest(within: bound)
    }

    /// A plan with the gradients of some of the rows.
    private struct Candidate {
        let allocation: BudgetAllocation
        let gradients: TrainingHarm.Gradients
    }

    /// One for every share of gradients.
    ///
    /// - Parameter goal: of the blocks; nil where the missing gradients alone are too much.
    private func candidates(_ goal: (TrainingHarm.Gradients) -> BudgetAllocation.Goal?) -> [Candidate] {
        let trainedShare = Double(sample.rows.labelledCount) / Double(max(sample.rows.tokenCount, 1))
        return TrainingHarm.gradients(trainedShare: trainedShare).compactMap { gradients in
            guard gradients.share == 1 || !section.exactGradients else { return nil }
            guard let goal = goal(gradients) else { return nil }
            var plan = base
            plan.gradientShare = gradients.share
            return Candidate(
                allocation: BudgetAllocation(sensitivity, goal: goal, base: plan, cost: cost),
                gradients: gradients)
        }
    }

    /// The plan that spends at most this share of plain LoRA's operations and harms least, by what blocks leave out and by
    /// the gradients that are missing.
    ///
    /// - Throws: `InputError` with the least possible share when that is more.
    private func leastHarmful(spending share: Double) throws(InputError) -> PlannedSparsity {
        let candidates = candidates { _ in .flopShare(share) }
        func harm(_ candidate: Candidate) -> Double {
            TrainingHarm.rise(ofDivergence: candidate.allocation.predictedDivergence / sensitivity.denseLoss)
                + candidate.gradients.rise
        }
        let affordable = candidates.filter { $0.allocation.flopShare <= share + 1e-9 }
        guard let best = affordable.min(by: { harm($0) < harm($1) }) else {
            throw Self.unaffordable(share, least: candidates.map(\.allocation.flopShare).min() ?? 1)
        }
        return try fitted(best)
    }

    /// The cheapest plan that harms no more than a divergence of this share of the loss; nil when none saves anything.
    private func cheapest(within bound: Double) throws(InputError) -> PlannedSparsity? {
        // A higher loss is that of a model which has yet to learn what answers look like, soon far below it.
        let loss = min(sensitivity.denseLoss, 1)
        /// What blocks may do beside missing gradients, in nats a token.
        func allowed(_ gradients: TrainingHarm.Gradients) -> Double {
            loss
                * TrainingHarm.divergence(rising: TrainingHarm.rise(ofDivergence: bound) - gradients.rise)
        }
        /// What is asked of blocks, relative to what they may do.
        var part = 1.0
        // Blocks together do about what they do alone; where they do more, ask for less and look again.
        for _ in 0..<8 {
            let candidates = candidates { allowed($0) > 0 ? .divergence(part * allowed($0)) : nil }
            guard
                let best = candidates.min(by: { $0.allocation.flopShare < $1.allocation.flopShare }),
                !best.allocation.plan.isDense
            else { return nil }
            let planned = try fitted(best)
            let limit = allowed(best.gradients)
            if planned.reading.divergence <= limit { return planned }
            part *= 0.9 * limit / planned.reading.divergence
        }
        return nil
    }

    private func fitted(_ candidate: Candidate) throws(InputError) -> PlannedSparsity {
        let (allocation, missing) = (candidate.allocation, candidate.gradients)
        var plan = allocation.plan
        let policy = try CalibratedSparsity(model, plan: plan, recorded: recorded) {
            onProgress(PlanningProgress(stage: "fitting the plan", share: $0))
        }
        let reading = try meter.measure(policy)
        guard reading.divergence.isFinite else {
            throw InputError("sparsity", "the model's passes with a plan do not end in numbers")
        }
        plan.flopShare = rounded(allocation.flopShare)
        plan.predictedLossRise = rounded(reading.divergence / sensitivity.denseLoss)
        plan.predictedTrainingRise = rounded(
            TrainingHarm.rise(ofDivergence: reading.divergence / sensitivity.denseLoss) + missing.rise)
        plan.fingerprint = fingerprint
        let costs = sample.costs(model.configuration, ranks, under: plan)
        return PlannedSparsity(
            plan: plan, policy: policy, sensitivity: sensitivity, reading: reading,
            scoredTokens: meter.scoredTokens,
            operations: .init(costs), speedUp: costs.speedUp)
    }

    /// Four digits after the point are more than a sample can tell.
    private func rounded(_ value: Double) -> Double { (value * 10_000).rounded() / 10_000 }
}
