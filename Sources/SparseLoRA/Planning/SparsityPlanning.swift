// Plans for contextual sparsity, measured on a user's model and data without training.

internal import Adapters
public import ContextualSparsity
public import FileSupport
internal import Models
internal import TensorEngine
public import Training

/// A plan with what it was made from.
///
/// Every block of every layer is made sparse by itself and the change of the model's predictions on a sample of the data
/// is measured; the budget is then spent where it changes them least, and the whole plan is measured once more.
public struct SparsityPlanning: Sendable {
    /// One block of one layer.
    public struct Block: Sendable, Equatable {
        /// The layer's number.
        public let layer: Int
        /// Divergence from the dense model relative to its loss, with three quarters of the feed-forward channels left
        /// out; nil for the last layer, which has nothing to leave out.
        public let feedForward: Double?
        /// The same with half of the attention projections' work left out.
        public let attention: Double?
    }

    /// The plan: write it with `write(to:)` and name the file as `sparsity.plan`.
    public let plan: SparsityPlan
    /// What was measured, by layer.
    public let blocks: [Block]
    /// Mean loss of the dense model over the sample's trained tokens.
    public let denseLoss: Double
    /// Rise of that loss with the plan, relative to it. On a few hundred tokens it also moves by luck; the plan's
    /// `predictedLossRise`, its divergence from the dense model, is steadier and rather too high.
    public let lossRise: Double
    /// What the plan's steps cost, by part.
    public let operations: [SparsityReport.Part]
    /// How many times as fast as dense ones sparse steps are expected to be: where prompts are shared, dense steps take less
    /// than plain LoRA's operations too.
    public let speedUp: Double
    /// Trained tokens that were compared.
    public let scoredTokens: Int
    /// The picture: how sensitive every block is and what the plan leaves out, as SVG.
    public let heatMap: String

    /// Measures a model on data and makes a plan.
    ///
    /// - Parameters:
    ///   - configuration: as of a training run; model, data, batch size, adapter and `sparsity` count. Its
    ///     `sparsity.plan` is a share of plain LoRA's operations to spend, or `auto` (also when nil) for the cheapest plan
    ///     within `sparsity.loss_bound`.
    ///   - onProgress: called while it works.
    /// - Throws: `InputError` when something cannot be read, the data has too few context tokens, or no plan meets the
    ///   budget.
    public init(
        _ configuration: TrainingConfiguration, onProgress: @escaping (PlanningProgress) -> Void = { _ in }
    ) throws(InputError) {
        var configuration = configuration
        var share: Double?
        switch configuration.sparsity.plan ?? .automatic {
        case .automatic: break
        case .share(let given): share = given
        case .file(let path):
            throw InputError(
                "sparsity.plan", expected: "auto or a share of plain LoRA's operations",
                found: "\"\(path)\"")
        }
        configuration.sparsity.plan = nil
        let run = try FineTuning(configuration)
        let planner = try run.planner(spending: share, onProgress: onProgress)
        guard let planned = try planner.plan(within: configuration.sparsity.lossBound) else {
            throw InputError(
                "sparsity.loss_bound",
                "no plan keeps the loss within \(configuration.sparsity.lossBound) of the dense one",
                advice: "Raise the bound, or train densely.")
        }
        let sensitivity = planned.sensitivity
        plan = planned.plan
        denseLoss = sensitivity.denseLoss
        lossRise = planned.reading.lossRise / sensitivity.denseLoss
        scoredTokens = planned.scoredTokens
        (operations, speedUp) = (planned.operations, planned.speedUp)
        blocks = sensitivity.feedForward.indices.map { layer in
            Block(
                layer: layer, feedForward: sensitivity.feedForward[layer].map { $0 / sensitivity.denseLoss },
                attention: sensitivity.attention[layer].map { $0 / sensitivity.denseLoss })
        }
        let name = configuration.model.split(separator: "/").last.map(String.init) ?? configuration.model
        heatMap =
            SparsityHeatMapSVG(
                sensitivity.heatMap(title: "Sparsity of \(name)", plan: plan)
            ).text
    }
}
