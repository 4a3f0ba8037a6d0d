// Criteria that never look at the batch: norms of weights, and chance.

package import Models
package import TensorEngine

/// Scores from the norms of the frozen weights that a channel joins.
package struct WeightNormScores: ChannelScorer {
    private var feedForward: [Int: [Float]] = [:]
    private var attention: [Int: AttentionScores] = [:]

    package init(_ model: CausalLM, feedForwardLayers: [Int], attentionLayers: [Int]) {
        let backend = model.backend
        // A channel is a row of the stored matrix in every layer.
        func norms(_ linear: Linear) -> [Float] { backend.rowNorms(of: linear.weight.tensor) }
        for layer in feedForwardLayers {
            let linears = model.linears(ofLayer: layer)
            let inner = zip(norms(linears.gate), norms(linears.up)).map { $0 * $1 }
            feedForward[layer] = zip(inner, norms(linears.down)).map { $0 * $1 }
        }
        for layer in attentionLayers {
            let linears = model.linears(ofLayer: layer)
            attention[layer] = AttentionScores(
                queryNorms: norms(linears.query), keyNorms: norms(linears.key),
                valueNorms: norms(linears.value))
        }
    }

    package func attention(
        layer: Int, input: Tensor, rows: RowPartition, on backend: any Backend
    ) -> AttentionScores {
        guard let scores = attention[layer] else {
            preconditionFailure("attention of layer \(layer) is dense")
        }
        return scores
    }

    package func feedForward(
        layer: Int, input: Tensor, rows: RowPartition, on backend: any Backend
    ) -> [Float] {
        guard let scores = feedForward[layer] else {
            preconditionFailure("feed-forward network of layer \(layer) is dense")
        }
        return scores
    }
}

/// Scores that are drawn: what any criterion has to beat.
package struct RandomScores: ChannelScorer {
    private let seed: UInt64
    private let layout: HeadLayout
    private let feedForwardWidth: Int
    /// A function of seed, step and layer alone: a resumed run draws what the whole run would have drawn.
    package var step = 0

    package init(seed: UInt64, layout: HeadLayout, feedForwardWidth: Int) {
        self.seed = seed
        self.layout = layout
        self.feedForwardWidth = feedForwardWidth
    }

    package func attention(
        layer: Int, input: Tensor, rows: RowPartition, on backend: any Backend
    ) -> AttentionScores {
        AttentionScores(
            queryNorms: [Float](repeating: 1, count: layout.queryWidth),
            keyNorms: draw(layout.keyValueWidth, "key", layer),
            valueNorms: draw(layout.keyValueWidth, "value", layer))
    }

    package func feedForward(
        layer: Int, input: Tensor, rows: RowPartition, on backend: any Backend
    ) -> [Float] { draw(feedForwardWidth, "feed_forward", layer) }

    private func draw(_ count: Int, _ block: String, _ layer: Int) -> [Float] {
        var random = SeededRandom(seed: seed, stream: "sparsity \(block) layer \(layer) step \(step)")
        return (0..<count).map { _ in Float(random.unit()) }
    }
}
