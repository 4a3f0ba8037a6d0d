// The calibrated method: a dense look at a sample of the data decides what every block keeps.

package import FileSupport
package import Models
package import TensorEngine

/// Context rows compute the feed-forward channels that a calibration chose, refitted, and low-rank maps in place of the
/// attention's projections.
///
/// A function of model, sample and plan alone, and of the adapters where the recorder saw them: a run that is resumed
/// calibrates again and goes on bit for bit.
package final class CalibratedSparsity: SparsityPolicy {
    package let denseLeadingTokens: Int
    package let sparseOutputShare: Double
    package let gradientShare: Double
    package let wordThreshold: Double
    /// By layer; layers without an entry are dense.
    private var feedForwardUses: [Int: ChannelUse] = [:]
    private var projectionUses: [Int: ProjectionUses] = [:]
    private var outputUses: [Int: ChannelUse] = [:]

    /// Fits every layer that drops something.
    ///
    /// - Parameters:
    ///   - plan: of the calibrated method.
    ///   - recorded: a dense look at a sample, of at least the plan's blocks.
    ///   - onLayer: called after each layer's fit with the share of the work that is done.
    /// - Throws: `InputError` when the sample has too few context rows to fit anything.
    package init(
        _ model: CausalLM, plan: SparsityPlan, recorded: InputRecorder,
        onLayer: (Double) -> Void = { _ in }
    ) throws(InputError) {
        denseLeadingTokens = plan.denseLeadingTokens
        sparseOutputShare = plan.sparseShareOfOutputs
        gradientShare = plan.gradientShare
        wordThreshold = plan.wordThreshold
        let settings = FitSettings(rank: plan.rank)
        let backend = model.backend
        let (feedForward, attention) = plan.fittedShares(layerCount: model.configuration.layerCount)
        guard !feedForward.isEmpty || !attention.isEmpty else { return }
        let smallest = 4 * settings.rank
        guard recorded.rowCount >= smallest else {
            throw InputError(
                "sparsity",
                "the sample has \(recorded.rowCount) context tokens, a calibration needs \(smallest)",
                advice:
                    "Sparsity leaves out work on prompts; with short prompts or few examples train without it."
            )
        }
        let layers = Set(feedForward.keys).union(attention.keys).sorted()
        for (number, layer) in layers.enumerated() {
            let linears = model.linears(ofLayer: layer)
            if let share = feedForward[layer] {
                let inputs = recorded.inputs(layer: layer, on: backend)
                let channels = backend.gatedChannels(
                    inputs, linears, model.configuration.activation, adapters: recorded.seesAdapters)
                let kept = plan.keptChannels(of: channels.width, dropping: share)
                if kept < channels.width {
                    guard
                        let fit = FeedForwardFit(
                            inputs: inputs, channels: channels, down: linears.down.weight, keptCount: kept,
                            settings: settings, on: backend)
                    else {
                        throw InputError(
                            "sparsity, layer \(layer)",
                            "the sample does not determine the layer's statistics",
                            advice: "Calibrate on more tokens.")
                    }
                    feedForwardUses[layer] = fit.use
                }
            }
            if let share = attention[layer], let moments = recorded.attentionMoments(layer: layer) {
                let uses = LowRankFit.uses(
                    of: [linears.query, linears.key, linears.value], moments: moments.inputs,
                    leavingOut: share, on: backend)
                projectionUses[layer] = ProjectionUses(query: uses[0], key: uses[1], value: uses[2])
                outputUses[layer] =
                    LowRankFit.uses(
                        of: [linears.output], moments: moments.mixed, leavingOut: share, on: backend)[0]
            }
            onLayer(Double(number + 1) / Double(layers.count))
        }
    }

    package func projections(
        layer: Int, input: Tensor, rows: RowPartition, on backend: any Backend
    ) -> ProjectionUses? { projectionUses[layer] }

    package func attentionOutput(
        layer: Int, input: Tensor, rows: RowPartition, on backend: any Backend
    ) -> ChannelUse? { outputUses[layer] }

    package func feedForward(
        layer: Int, input: Tensor, rows: RowPartition, on backend: any Backend
    ) -> ChannelUse? { feedForwardUses[layer] }
}
