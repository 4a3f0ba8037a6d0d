// The paper's criterion: what low-rank factors of the frozen weights make of the batch.

package import Models
package import TensorEngine

/// Scores from a model's predictors (SparseLoRA, arXiv 2506.16500, section 3.2).
package struct EstimatedScores: ChannelScorer {
    private let feedForward: [Int: FeedForwardEstimator]
    private let attention: [Int: AttentionEstimator]
    private let averagesSequences: Bool

    /// - Parameters:
    ///   - predictors: hold the factors of all these layers; biases are the model's own.
    ///   - averagesSequences: feed-forward scores come from the mean row of each sequence, as the paper has it; otherwise
    ///     from every row.
    /// - Precondition: every layer has its factors.
    package init(
        _ predictors: SparsityPredictors, model: CausalLM, feedForwardLayers: [Int], attentionLayers: [Int],
        averagesSequences: Bool = true
    ) {
        let backend = model.backend
        func projection(_ factors: LowRankFactors, _ linear: Linear) -> LowRankProjection {
            LowRankProjection(factors, bias: linear.bias, on: backend)
        }
        var feedForward: [Int: FeedForwardEstimator] = [:]
        for layer in feedForwardLayers {
            guard let factors = predictors.feedForward[layer] else {
                preconditionFailure("no factors for the feed-forward network of layer \(layer)")
            }
            let linears = model.linears(ofLayer: layer)
            feedForward[layer] = FeedForwardEstimator(
                gate: projection(factors.gate, linears.gate), up: projection(factors.up, linears.up),
                activation: model.configuration.activation)
        }
        var attention: [Int: AttentionEstimator] = [:]
        for layer in attentionLayers {
            guard let factors = predictors.attention[layer] else {
                preconditionFailure("no factors for the attention of layer \(layer)")
            }
            let linears = model.linears(ofLayer: layer)
            attention[layer] = AttentionEstimator(
                query: projection(factors.query, linears.query), key: projection(factors.key, linears.key),
                value: projection(factors.value, linears.value), on: backend)
        }
        self.feedForward = feedForward
        self.attention = attention
        self.averagesSequences = averagesSequences
    }

    package func attention(
        layer: Int, input: Tensor, rows: RowPartition, on backend: any Backend
    ) -> AttentionScores {
        guard let estimator = attention[layer] else {
            preconditionFailure("attention of layer \(layer) is dense")
        }
        return estimator.scores(input, rows: rows.context, on: backend)
    }

    package func feedForward(
        layer: Int, input: Tensor, rows: RowPartition, on backend: any Backend
    ) -> [Float] {
        guard let estimator = feedForward[layer] else {
            preconditionFailure("feed-forward network of layer \(layer) is dense")
        }
        return averagesSequences
            ? estimator.scores(input, sequences: rows.contextBySequence, on: backend)
            : estimator.unaveragedScores(input, rows: rows.context, on: backend)
    }
}
