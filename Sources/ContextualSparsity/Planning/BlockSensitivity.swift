// What each block's sparsity alone does to the model: the measurement that plans are made from.

package import FileSupport
package import Models
import TensorEngine

/// Divergence from the dense model when one block alone is sparse, for every block but those of the last layer.
package struct BlockSensitivity: Sendable {
    /// The shares at which blocks are measured. What other shares do is inferred: see `BudgetAllocation`.
    package static let feedForwardShare = 0.75
    package static let attentionShare = 0.5

    /// By layer, in nats a token; the last layer's are nil.
    package let feedForward: [Double?]
    package let attention: [Double?]
    /// Mean loss of the dense model on the sample.
    package let denseLoss: Double

    package init(feedForward: [Double?], attention: [Double?], denseLoss: Double) {
        self.feedForward = feedForward
        self.attention = attention
        self.denseLoss = denseLoss
    }

    /// The plan whose blocks the measurement needs: record the sample's inputs with it.
    package static func measuredPlan(layerCount: Int) -> SparsityPlan {
        .uniform(feedForward: feedForwardShare, attention: attentionShare, layers: 0..<max(0, layerCount - 1))
    }

    /// Fits every block and measures each by itself.
    ///
    /// - Parameters:
    ///   - recorded: a dense look at a sample with `measuredPlan`.
    ///   - meter: of a small batch of the same data.
    ///   - onProgress: called with the share of the work that is done.
    package init(
        _ model: CausalLM, recorded: InputRecorder, meter: DivergenceMeter, onProgress: (Double) -> Void
    ) throws(InputError) {
        let layerCount = model.configuration.layerCount
        // Fits take about as long as the passes.
        let all = try CalibratedSparsity(
            model, plan: Self.measuredPlan(layerCount: layerCount), recorded: recorded
        ) { onProgress($0 / 2) }
        var feedForward = [Double?](repeating: nil, count: layerCount)
        var attention = feedForward
        for layer in 0..<max(0, layerCount - 1) {
            feedForward[layer] =
                try meter.measure(OneBlock(all, layer, .feedForward), from: layer).divergence
            attention[layer] = try meter.measure(OneBlock(all, layer, .attention), from: layer).divergence
            onProgress(0.5 + Double(layer + 1) / Double(layerCount - 1) / 2)
        }
        self.init(feedForward: feedForward, attention: attention, denseLoss: meter.denseLoss)
    }

    /// As shares of the dense loss, for people.
    package func heatMap(title: String, plan: SparsityPlan?) -> SparsityHeatMap {
        SparsityHeatMap(
            title: title, attention: attention.map { $0.map { $0 / denseLoss } },
            feedForward: feedForward.map { $0.map { $0 / denseLoss } }, plan: plan)
    }
}

/// One block of another policy, everything else dense.
private final class OneBlock: SparsityPolicy {
    enum Block { case attention, feedForward }

    private let whole: CalibratedSparsity
    private let layer: Int
    private let block: Block
    var denseLeadingTokens: Int { whole.denseLeadingTokens }
    var sparseOutputShare: Double { whole.sparseOutputShare }

    init(_ whole: CalibratedSparsity, _ layer: Int, _ block: Block) {
        self.whole = whole
        self.layer = layer
        self.block = block
    }

    func projections(
        layer: Int, input: Tensor, rows: RowPartition, on backend: any Backend
    ) -> ProjectionUses? {
        guard block == .attention, layer == self.layer else { return nil }
        return whole.projections(layer: layer, input: input, rows: rows, on: backend)
    }

    func attentionOutput(
        layer: Int, input: Tensor, rows: RowPartition, on backend: any Backend
    ) -> ChannelUse? {
        guard block == .attention, layer == self.layer else { return nil }
        return whole.attentionOutput(layer: layer, input: input, rows: rows, on: backend)
    }

    func feedForward(
        layer: Int, input: Tensor, rows: RowPartition, on backend: any Backend
    ) -> ChannelUse? {
        guard block == .feedForward, layer == self.layer else { return nil }
        return whole.feedForward(layer: layer, input: input, rows: rows, on: backend)
    }
}
