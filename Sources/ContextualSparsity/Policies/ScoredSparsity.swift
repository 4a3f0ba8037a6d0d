// Contextual sparsity as the paper has it: score the channels of a batch, keep the best, leave the others out.

package import FileSupport
package import Models
package import TensorEngine

/// Keeps in every sparse block the channels that a criterion scores highest, chosen anew for each batch (SparseLoRA,
/// arXiv 2506.16500). What the others would have contributed counts as zero.
///
/// Three sets per layer, each shared by all context rows of the batch: feed-forward channels; key channels with the
/// query channels that meet them; value channels with the inputs of the output projection that they reach. The counts
/// follow from the plan's shares by `KeptChannels`; of equal scores the lower channel counts as larger. A run that is
/// resumed goes on bit for bit, because nothing outlasts a pass but the step's number.
package final class ScoredSparsity: SparsityPolicy {
    package let plan: SparsityPlan
    private var scorer: any ChannelScorer
    private let layout: HeadLayout
    private let feedForwardWidth: Int
    private let rotaryWidth: Int
    /// The value channels of the block that is running: its output projection reads no others.
    private var values: (layer: Int, channels: KeptAndRest)?

    package var denseLeadingTokens: Int { plan.denseLeadingTokens }
    package var sparseOutputShare: Double { plan.sparseShareOfOutputs }
    package var gradientShare: Double { plan.gradientShare }
    package var wordThreshold: Double { plan.wordThreshold }
    /// Scores average the context rows of every sequence.
    package var allowsSharedPrefixes: Bool { plan.allowsSharedPrefixes }

    /// - Parameters:
    ///   - plan: of any method but calibrated.
    ///   - predictors: the factors for method paper; made from the model's weights when nil, see `PredictorCache`.
    ///   - averagesSequences: method paper scores feed-forward channels by the mean row of each sequence, not every row.
    ///   - seed: of method random.
    /// - Throws: `InputError` when the plan does not suit the model, or the predictors lack one of its layers.
    package init(
        _ model: CausalLM, plan: SparsityPlan, predictors: SparsityPredictors? = nil,
        averagesSequences: Bool = true, seed: UInt64 = 0
    ) throws(InputError) {
        try plan.validate(for: model.configuration)
        let configuration = model.configuration
        self.plan = plan
        layout = HeadLayout(
            headCount: configuration.headCount, keyValueHeadCount: configuration.keyValueHeadCount,
            headWidth: configuration.headWidth)
        feedForwardWidth = configuration.feedForwardWidth
        rotaryWidth = configuration.rotary.width
        let feedForwardLayers = Self.sparseLayers(plan.feedForward)
        let attentionLayers = Self.sparseLayers(plan.attention)
        switch plan.method {
        case .paper:
            let predictors = predictors ?? SparsityPredictors(of: model, rank: plan.rank)
            try predictors.check(feedForwardLayers: feedForwardLayers, attentionLayers: attentionLayers)
            scorer = EstimatedScores(
                predictors, model: model, feedForwardLayers: feedForwardLayers,
                attentionLayers: attentionLayers, averagesSequences: averagesSequences)
        case .norm:
            scorer = WeightNormScores(
                model, feedForwardLayers: feedForwardLayers, attentionLayers: attentionLayers)
        case .random:
            scorer = RandomScores(seed: seed, layout: layout, feedForwardWidth: feedForwardWidth)
        case .oracle: scorer = OracleScores(model)
        case .wanda: scorer = OracleScores(model, weightedLayers: feedForwardLayers)
        case .calibrated: preconditionFailure("a calibrated plan is not scored batch by batch")
        }
    }

    /// Called before the passes of a step, counted from 0: method random draws anew in each.
    package func prepare(step: Int) {
        guard var random = scorer as? RandomScores else { return }
        random.step = step
        scorer = random
    }

    package func projections(
        layer: Int, input: Tensor, rows: RowPartition, on backend: any Backend
    ) -> ProjectionUses? {
        values = nil
        guard let share = plan.attention[layer] else { return nil }
        let count = KeptChannels.count(of: layout.keyValueWidth, dropping: share)
        guard count < layout.keyValueWidth else { return nil }
        let scores = scorer.attention(layer: layer, input: input, rows: rows, on: backend)
        let keys = keyChannels(scores, count: count, on: backend)
        let values = largest(scores.valueNorms, count: count, on: backend)
        self.values = (layer, values)
        return ProjectionUses(
            query: ChannelUse(keys.queries(in: layout).uploaded(to: backend)),
            key: ChannelUse(keys.uploaded(to: backend)), value: ChannelUse(values.uploaded(to: backend)))
    }

    package func attentionOutput(
        layer: Int, input: Tensor, rows: RowPartition, on backend: any Backend
    ) -> ChannelUse? {
        guard let values, values.layer == layer else { return nil }
        return ChannelUse(values.channels.queries(in: layout).uploaded(to: backend))
    }

    package func feedForward(
        layer: Int, input: Tensor, rows: RowPartition, on backend: any Backend
    ) -> ChannelUse? {
        guard let share = plan.feedForward[layer] else { return nil }
        let count = KeptChannels.count(of: feedForwardWidth, dropping: share)
        guard count < feedForwardWidth else { return nil }
        let scores = scorer.feedForward(layer: layer, input: input, rows: rows, on: backend)
        let (kept, rest) = backend.selectLargest(
            backend.upload(scores, rowCount: 1, width: scores.count, type: .float32), count: count)
        return ChannelUse(
            ChannelSelection(kept: kept, dropped: rest),
            adaptersSeeAllChannels: plan.feedForwardAdapters == .dense)
    }

    private func keyChannels(
        _ scores: AttentionScores, count: Int, on backend: any Backend
    ) -> KeptAndRest {
        guard plan.pairAware else {
            let products = layout.attentionScores(queryNorms: scores.queryNorms, keyNorms: scores.keyNorms)
            return largest(products, count: count, on: backend)
        }
        let kept = layout.pairedKeyChannels(
            queryNorms: scores.queryNorms, keyNorms: scores.keyNorms, rotaryWidth: rotaryWidth, count: count)
        return KeptAndRest(
            kept: kept, rest: HeadLayout.complement(of: kept, below: layout.keyValueWidth))
    }

    private func largest(_ scores: [Float], count: Int, on backend: any Backend) -> KeptAndRest {
        let (kept, rest) = backend.selectLargest(
            backend.upload(scores, rowCount: 1, width: scores.count, type: .float32), count: count)
        return KeptAndRest(kept: backend.downloadIndices(kept), rest: backend.downloadIndices(rest))
    }

    private static func sparseLayers(_ shares: [Int: Double]) -> [Int] {
        shares.filter { $0.value > 0 }.keys.sorted()
    }
}

/// Key or value channels, on the host because heads are mapped there.
private struct KeptAndRest {
    let kept: [Int32]
    let rest: [Int32]

    /// The query channels that meet these key channels, or the inputs of the output projection that they reach.
    func queries(in layout: HeadLayout) -> KeptAndRest {
        KeptAndRest(
            kept: layout.queryChannels(ofKeyValueChannels: kept),
            rest: layout.queryChannels(ofKeyValueChannels: rest))
    }

    func uploaded(to backend: any Backend) -> ChannelSelection {
        ChannelSelection(kept: backend.upload(kept), dropped: backend.upload(rest))
    }
}
