// What to leave out, where and when: everything that a user decides about contextual sparsity.

/// A plan for contextual sparsity: the share of channels that each block leaves out for context tokens, when, and how
/// the channels are chosen.
///
/// Applies to training alone. Evaluation, generation and merging are always dense.
public struct SparsityPlan: Equatable, Sendable {
    /// How channels are chosen and what stands in for the others.
    public enum Method: String, CaseIterable, Sendable {
        /// A sample of the data decides once which feed-forward channels stay, and fits what stands in for the others;
        /// attention projections become low-rank maps.
        case calibrated
        /// Truncated singular value decompositions choose channels; the others count as zero (arXiv 2506.16500).
        case paper
        /// Random channels, the others zero: what any method has to beat.
        case random
        /// Channels with the largest weight norms, the others zero.
        case norm
        /// For analysis, not for speed: channels whose activations, computed in full, have the largest norms.
        case oracle
        /// For analysis: as `oracle`, feed-forward activations weighted by their rows of the down projection.
        case wanda
    }

    /// Which tokens run sparse.
    public enum ContextTokens: String, CaseIterable, Sendable {
        /// Those whose row is not scored: the prompt.
        case labels
        /// All of them.
        case all
    }

    /// What adapters of gate, up and down compute for context tokens.
    public enum FeedForwardAdapters: String, CaseIterable, Sendable {
        /// They see the kept channels only, as if the block were that narrow.
        case channelMasked = "channel_masked"
        /// They see every channel.
        case dense
    }

    /// How channels are chosen.
    public var method: Method
    /// By layer, the share of the feed-forward channels that is left out, in `[0, 1)`; layers not listed are dense.
    public var feedForward: [Int: Double]
    /// By layer, the share of the query, key, value and output projections that is left out, in `[0, 1)`: of their
    /// channels, or, with method calibrated, of their operations.
    public var attention: [Int: Double]
    /// Rank of the estimator, and of the compensation of methods that have one.
    public var rank = 32
    /// The first sparse step.
    public var startStep = ScheduleStep(0.05)
    /// The first step that is dense again: what adapters have learnt to make up for in sparse passes is unlearnt at
    /// the end, or the dense model would be the worse for it.
    public var endStep = ScheduleStep(0.9)
    /// Which tokens run sparse.
    public var contextTokens = ContextTokens.labels
    /// So many tokens at the start of each sequence stay dense; with method calibrated at least the first.
    public var denseSinkTokens = 0
    /// The share of the scored rows, in `[0, 1]`, that runs sparse although `contextTokens` is `labels`.
    public var sparseOutputShare = 0.0
    /// What adapters of gate, up and down compute for context tokens.
    public var feedForwardAdapters = FeedForwardAdapters.channelMasked
    /// Of all rows, the share above 0 and up to 1 whose gradients go through a layer: in each the rows with the largest. The
    /// others' pass it by and train only the adapters of key and value projections. 1 for exact gradients.
    public var gradientShare = 1.0
    /// Words of the vocabulary to which no scored row of a batch gives this probability are left out of the gradient that
    /// comes out of the head: at least 0 and below 1, 0 for an exact one. The loss is exact either way.
    public var wordThreshold = 0.0
    /// For the count of operations: which share of the vocabulary that leaves, as measured on the data.
    public var wordShare = 1.0
    /// Query and key channels are chosen in the pairs that rotary positions turn.
    public var pairAware = false
    /// The model that the plan was measured on; nil for a plan that suits any model with these layers.
    public var fingerprint: String?
    /// For information: FLOPs of a sparse step divided by those of plain LoRA, as counted on the data.
    public var flopShare: Double?
    /// For information: the rise of the loss that was predicted from the sample, relative to dense; 0.01 is 1%.
    public var predictedLossRise: Double?
    /// For information: the rise of the held-out loss that training with the plan is expected to end with, by that and by
    /// the gradients that are missing.
    public var predictedTrainingRise: Double?

    /// A plan with these shares and otherwise the defaults.
    public init(
        method: Method = .calibrated, feedForward: [Int: Double] = [:], attention: [Int: Double] = [:]
    ) {
        self.method = method
        self.feedForward = feedForward
        self.attention = attention
    }

    /// The same shares in each of these layers.
    public static func uniform(
        feedForward: Double, attention: Double, layers: Range<Int>, method: Method = .calibrated
    ) -> SparsityPlan {
        SparsityPlan(
            method: method, feedForward: shares(feedForward, of: layers),
            attention: shares(attention, of: layers))
    }

    /// The plan by which the speed of sparse steps is checked on a model of thirty layers: nine tenths of the
    /// feed-forward channels left out in layers 3 to 28, half of the attention channels in layers 10 to 28.
    public static let speedCheck = SparsityPlan(
        feedForward: shares(0.9, of: 3..<29), attention: shares(0.5, of: 10..<29))

    /// How many tokens at the start of each sequence stay dense in fact: the first one always does where statistics
    /// stand in for channels, because attention makes it unlike all others.
    package var denseLeadingTokens: Int { method == .calibrated ? max(1, denseSinkTokens) : denseSinkTokens }

    /// The share of the scored rows that runs sparse in fact.
    package var sparseShareOfOutputs: Double { contextTokens == .all ? 1 : sparseOutputShare }

    /// Whether rows that a batch's sequences have in common may be computed once. Scores of the other methods average
    /// the context rows of every sequence.
    package var allowsSharedPrefixes: Bool { method == .calibrated }

    /// Whether no block leaves anything out.
    public var isDense: Bool {
        gradientShare == 1 && wordThreshold == 0 && feedForward.values.allSatisfy { $0 == 0 }
            && attention.values.allSatisfy { $0 == 0 }
    }

    /// The layers in which shares are above 0, such as `3-9, 12`.
    package static func layerList(_ shares: [Int: Double]) -> String {
        SparsityPlanShares.ranges(shares.compactMapValues { $0 > 0 ? 1 : nil }).map { layers, _ in
            layers.count == 1 ? "\(layers.lowerBound)" : "\(layers.lowerBound)-\(layers.upperBound)"
        }.joined(separator: ", ")
    }

    /// Whether step `step`, counted from 0, of a run of `total` steps is sparse.
    public func isSparse(step: Int, of total: Int) -> Bool {
        !isDense && step >= startStep.step(of: total) && step < endStep.step(of: total)
    }

    private static func shares(_ share: Double, of layers: Range<Int>) -> [Int: Double] {
        share == 0 ? [:] : Dictionary(uniqueKeysWithValues: layers.map { ($0, share) })
    }
}
