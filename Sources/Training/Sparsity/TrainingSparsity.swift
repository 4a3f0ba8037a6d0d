// Contextual sparsity in a run: which steps, which channels, how far from dense, and when to back off.

package import ContextualSparsity
package import FileSupport
package import Models
package import TensorEngine

/// The sparse part of a run.
///
/// Everything that steps depend on follows from configuration, data and model, the plan's file in the run folder, and from
/// scale and fitted adapter in the checkpoint, so that a resumed run takes the same steps.
package final class TrainingSparsity {
    package let plan: SparsityPlan
    /// How far the stop rule has come: the plan's shares are multiplied by it. 1 at first, 0 is dense.
    private(set) var scale: Double
    private let policies: SparsityPolicies
    /// The adapter that the plan was fitted to during the run; nil while its fit is that of the frozen model.
    private var fitted: (step: Int, values: ParameterSnapshot)?
    private let ranks: AdapterRanks
    /// Whether the gap between sparse and dense losses is watched.
    private let hasStopRule: Bool
    /// The plan at the present scale, and what runs it.
    private var scaled: SparsityPlan
    private var policy: any SparsityPolicy
    private var isActive = false
    private var gaps: [PairedLosses]

    /// What a checkpoint must know.
    package var progress: SparsityProgress {
        SparsityProgress(scale: scale, gaps: gaps, fitStep: fitted?.step)
    }

    /// The values that the trained parameters had when the plan was fitted to them, in their order; nil where it was not.
    package var fittedParameters: [Tensor]? { fitted?.values.copies }

    private var model: CausalLM { policies.model }
    private var sample: SparsitySample { policies.sample }
    private var section: SparsitySection { policies.section }

    /// Probes that the stop rule pools: one batch's gap is mostly noise.
    fileprivate static let window = 3

    init(
        _ plan: SparsityPlan, policy: (any SparsityPolicy)?, progress: SparsityProgress, hasStopRule: Bool,
        policies: SparsityPolicies
    ) throws(InputError) {
        self.plan = plan
        self.policies = policies
        self.hasStopRule = hasStopRule
        (scale, gaps) = (progress.scale, progress.gaps)
        ranks = AdapterRanks(policies.model)
        fitted = progress.fitStep.map {
            ($0, ParameterSnapshot(policies.parameters, backend: policies.model.backend))
        }
        scaled = plan.scaled(by: scale)
        if let policy, scale == 1 {
            self.policy = policy
        } else {
            self.policy = try policies.policy(scaled, seesAdapters: fitted != nil).policy
        }
    }

    /// Nil in dense steps.
    package var activePolicy: (any SparsityPolicy)? { isActive ? policy : nil }

    package func prepare(step: Int, of total: Int) {
        isActive = scaled.isSparse(step: step, of: total)
        if isActive { policy.prepare(step: step) }
    }

    /// Fits the plan again, to the model as its adapters have made it, where `sparsity.refit_step` has come.
    ///
    /// - Parameters:
    ///   - step: the step to come, counted from 0.
    ///   - onProgress: called while it is fitted, which takes as long as some twenty dense steps.
    /// - Returns: whether it was.
    package func refit(
        step: Int, of total: Int, onProgress: (PlanningProgress) -> Void = { _ in }
    ) throws(InputError) -> Bool {
        guard let refitStep = section.refitStep, fitted == nil, scaled.isSparse(step: step, of: total),
            step >= ScheduleStep(refitStep).step(of: total),
            !scaled.feedForward.isEmpty || !scaled.attention.isEmpty
        else { return false }
        try fit(before: step, seesAdapters: true, onProgress: onProgress)
        return true
    }

    /// Fits what is left out now, to the frozen model or to what its adapters have made of it.
    private func fit(
        before step: Int, seesAdapters: Bool, onProgress: (PlanningProgress) -> Void = { _ in }
    ) throws(InputError) {
        policy = try policies.policy(scaled, seesAdapters: seesAdapters, onProgress: onProgress).policy
        guard seesAdapters else { return }
        fitted = (step, ParameterSnapshot(policies.parameters, backend: model.backend))
    }

    /// What a step on these batches costs.
    package func cost(of batches: [Batch]) -> StepSparsity {
        var step = StepSparsity(
            isSparse: isActive, contextShare: 0, flops: 0, denseFlops: 0, plainFlops: 0)
        var (sparseRows, rowCount) = (0, 0)
        for batch in batches {
            let rows = batch.rows
            func flops(_ rows: StepRows, _ plan: SparsityPlan? = nil) -> Double {
                StepCost(model.configuration, adapters: ranks, rows: rows, plan: plan).total
            }
            let dense = flops(rows)
            step.denseFlops += dense
            step.plainFlops += flops(rows.unshared)
            step.flops += isActive ? flops(rows, scaled) : dense
            rowCount += (scaled.allowsSharedPrefixes ? rows : rows.unshared).rowCount
            if isActive { sparseRows += rows.sparseCount(under: scaled) }
        }
        step.contextShare = rowCount > 0 ? Double(sparseRows) / Double(rowCount) : 0
        return step
    }

    /// Runs a batch dense and sparse when it is time to, and backs off when the losses part.
    ///
    /// The rule: when the gap of the last three probes together exceeds the bound by more than two of its standard errors,
    /// all shares are halved and fitted anew; when it happens again, the rest of the run is dense.
    /// - Parameter step: steps done.
    package func probe(_ batch: Batch, step: Int) throws(InputError) -> SparsityProbe? {
        guard isActive, section.probeInterval > 0, step % section.probeInterval == 0 else { return nil }
        func losses(_ policy: any SparsityPolicy) throws(InputError) -> [Float] {
            try model.loss(
                batch.sequences, labels: batch.labels, gradientScale: 0,
                on: Tape(backend: model.backend, isRecording: false), policy: policy
            ).rowLosses
        }
        let overlap = ChannelOverlap(model, policy)
        let paired = PairedLosses(dense: try losses(overlap), sparse: try losses(policy))
        guard paired.count > 0 else { return nil }
        var probe = SparsityProbe(
            step: step, denseLoss: paired.dense / Double(paired.count),
            sparseLoss: (paired.dense + paired.rise) / Double(paired.count), gapError: paired.gapError,
            layers: overlap.layers.sorted { $0.key < $1.key }.map {
                SparsityProbe.Layer(layer: $0.key, kept: $0.value.kept, overlap: $0.value.overlap)
            })
        guard hasStopRule else { return probe }
        gaps = (gaps + [paired]).suffix(Self.window)
        let pooled = gaps.dropFirst().reduce(gaps[0], +)
        // A gap that is no number is no smaller than the bound.
        guard gaps.count == Self.window, !(pooled.gap - 2 * pooled.gapError <= section.lossBound) else {
            return probe
        }
        scale = scale == 1 ? 0.5 : 0
        scaled = plan.scaled(by: scale)
        gaps = []
        try fit(before: step, seesAdapters: fitted != nil)
        probe.newScale = scale
        return probe
    }

    /// What sparse steps leave out now.
    ///
    /// - Parameter step: steps done.
    package func report(step: Int) -> SparsityReport {
        let shape = model.configuration
        let layers = (0..<max(0, shape.layerCount - 1)).compactMap { layer -> SparsityReport.Layer? in
            let (feedForward, attention) = (scaled.feedForward[layer] ?? 0, scaled.attention[layer] ?? 0)
            guard feedForward > 0 || attention > 0 else { return nil }
            return SparsityReport.Layer(
                layer: layer, feedForward: feedForward,
                keptChannels: scaled.keptChannels(of: shape.feedForwardWidth, dropping: feedForward),
                attention: attention)
        }
        return SparsityReport(
            step: step, scale: scale, layers: layers, gradientShare: scaled.gradientShare,
            wordThreshold: scaled.wordThreshold, operations: .init(costs))
    }

    private var costs: PlanCosts { sample.costs(model.configuration, ranks, under: scaled) }

    /// Facts for people, a line each.
    package var description: [String] {
        let costs = costs
        let (plain, dense, sparse) = (costs.plain, costs.dense, costs.sparse)
        let tokens = Double(max(1, sample.rows.tokenCount))
        func perToken(_ cost: StepCost) -> String { "\(rounded(cost.total / tokens / 1e6, 0))" }
        func percent(_ share: Double) -> String { "\(rounded(100 * share, 0))%" }
        var lines = [
            "\(plan.method.rawValue), \(scaled.blockSummary)",
            "\(perToken(sparse)) of plain LoRA's \(perToken(plain)) MFLOP a token "
                + "(\(percent(sparse.total / max(1, plain.total))); a dense step takes \(perToken(dense))), "
                + "\(rounded(costs.speedUp, 2))x expected over dense, "
                + "\(percent(1 - Double(sample.rows.labelledCount) / tokens)) of the tokens are context, "
                + "sparse from \(plan.startStep.summary) to \(plan.endStep.summary)"
                + (section.refitStep.map { ", fitted again at \(ScheduleStep($0).summary)" } ?? ""),
            [SparsityReport.Part](costs).line,
        ]
        if let rise = plan.predictedLossRise {
            lines.append("predicted rise of the loss in sparse passes: \(rounded(100 * rise, 1))%")
        }
        return lines
    }

    private func rounded(_ value: Double, _ digits: Int) -> String {
        let factor = digits == 0 ? 1.0 : digits == 1 ? 10 : 100
        let number = (value * factor).rounded() / factor
        return digits == 0 ? "\(Int(number))" : "\(number)"
    }
}

/// How far the stop rule of `auto` has come, and what the plan is fitted to.
package struct SparsityProgress: Codable, Equatable, Sendable {
    /// By what the plan's shares are multiplied, from 0, which is dense, to 1.
    var scale = 1.0
    /// Of the last probes, as many as decide at most.
    var gaps: [PairedLosses] = []
    /// The steps that were done when the plan was last fitted to the adapter; nil for the fit to the frozen model.
    package var fitStep: Int?

    package init() {}

    init(scale: Double, gaps: [PairedLosses] = [], fitStep: Int? = nil) {
        (self.scale, self.gaps, self.fitStep) = (scale, gaps, fitStep)
    }

    var isValid: Bool {
        (0...1).contains(scale) && gaps.count <= TrainingSparsity.window && fitStep ?? 0 >= 0
    }
}

/// Losses of the same tokens in a dense and a sparse pass, summed.
struct PairedLosses: Codable, Equatable, Sendable {
    private(set) var count: Int
    private(set) var dense: Double
    /// Sums of the differences and of their squares.
    private(set) var rise: Double
    private var squaredRise: Double

    init(dense: [Float], sparse: [Float]) {
        count = dense.count
        self.dense = dense.reduce(0) { $0 + Double($1) }
        let differences = zip(dense, sparse).map { Double($1) - Double($0) }
        rise = differences.reduce(0, +)
        squaredRise = differences.reduce(0) { $0 + $1 * $1 }
    }

    static func + (left: PairedLosses, right: PairedLosses) -> PairedLosses {
        var sum = left
        sum.count += right.count
        sum.dense += right.dense
        sum.rise += right.rise
        sum.squaredRise += right.squaredRise
        return sum
    }

    /// Rise of the loss, relative to dense.
    var gap: Double { dense > 0 ? rise / dense : 0 }

    /// Standard error of the gap: how much other tokens would move it. One token says nothing: as large as the gap.
    var gapError: Double {
        guard count > 1, dense > 0 else { return abs(gap) }
        let mean = rise / Double(count)
        let variance = max(0, squaredRise / Double(count) - mean * mean) / Double(count - 1)
        return variance.squareRoot() * Double(count) / dense
    }
}

extension SparsityPlan {
    /// All shares multiplied.
    func scaled(by scale: Double) -> SparsityPlan {
        guard scale != 1 else { return self }
        var plan = self
        plan.feedForward = scale > 0 ? feedForward.mapValues { $0 * scale } : [:]
        plan.attention = scale > 0 ? attention.mapValues { $0 * scale } : [:]
        plan.gradientShare = 1 - scale * (1 - gradientShare)
        plan.wordThreshold = scale * wordThreshold
        return plan
    }

    /// What is sparse, in a few words.
    var blockSummary: String {
        func part(_ name: String, _ shares: [Int: Double]) -> String? {
            let used = shares.values.filter { $0 > 0 }
            guard let least = used.min(), let most = used.max() else { return nil }
            let range = least == most ? "\(least)" : "\(least) to \(most)"
            return "\(range) of \(name) left out in layers \(SparsityPlan.layerList(shares))"
        }
        let parts = [part("feed-forward", feedForward), part("attention", attention)].compactMap { $0 }
        let percent = (100 * gradientShare).rounded()
        var gradients = gradientShare < 1 ? ["gradients of \(Int(percent))% of the tokens"] : []
        if wordThreshold > 0 {
            gradients.append("gradients of words from a probability of \(wordThreshold) on")
        }
        return parts.isEmpty && gradients.isEmpty
            ? "nothing left out" : (parts + gradients).joined(separator: ", ")
    }
}

extension ScheduleStep {
    /// Such as `5% of the steps` or `step 20`.
    var summary: String {
        value <= 1 ? "\(Int((100 * value).rounded()))% of the steps" : "step \(step(of: 0))"
    }
}
