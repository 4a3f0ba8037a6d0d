// Low-rank factors of projections, by which channels are chosen: plain values, as predictor files hold them.

package import FileSupport

/// x W^T of a projection, approximately x w1 w2.
package struct LowRankFactors: Equatable, Sendable {
    package let inputWidth: Int
    package let rank: Int
    package let outputWidth: Int
    /// [in, rank], row after row.
    package let w1: [Float]
    /// [rank, out], row after row.
    package let w2: [Float]

    /// - Precondition: the counts suit the shapes.
    package init(inputWidth: Int, rank: Int, outputWidth: Int, w1: [Float], w2: [Float]) {
        precondition(
            w1.count == inputWidth * rank && w2.count == rank * outputWidth,
            "factors \(inputWidth) -> \(rank) -> \(outputWidth): \(w1.count) and \(w2.count) values")
        self.inputWidth = inputWidth
        self.rank = rank
        self.outputWidth = outputWidth
        self.w1 = w1
        self.w2 = w2
    }
}

/// The factors of a whole model.
package struct SparsityPredictors: Equatable, Sendable {
    package struct FeedForward: Equatable, Sendable {
        package var gate: LowRankFactors
        package var up: LowRankFactors

        package init(gate: LowRankFactors, up: LowRankFactors) {
            self.gate = gate
            self.up = up
        }
    }

    package struct Attention: Equatable, Sendable {
        package var query: LowRankFactors
        package var key: LowRankFactors
        package var value: LowRankFactors

        package init(query: LowRankFactors, key: LowRankFactors, value: LowRankFactors) {
            self.query = query
            self.key = key
            self.value = value
        }
    }

    /// Of every factor.
    package var rank: Int
    /// The model they were made from, as its name or path.
    package var baseModel: String
    /// The fingerprint of that model; published files have none.
    package var fingerprint: String?
    /// By layer.
    package var feedForward: [Int: FeedForward] = [:]
    /// By layer.
    package var attention: [Int: Attention] = [:]

    package init(rank: Int, baseModel: String, fingerprint: String? = nil) {
        self.rank = rank
        self.baseModel = baseModel
        self.fingerprint = fingerprint
    }

    /// - Throws: `InputError` when a layer has no factors.
    package func check(feedForwardLayers: [Int], attentionLayers: [Int]) throws(InputError) {
        func require(_ isThere: Bool, _ block: String, _ layer: Int) throws(InputError) {
            guard !isThere else { return }
            throw InputError(
                "sparsity predictors", "there are no factors for \(block) of layer \(layer)",
                advice: "Leave the layer out of the plan, or use predictors that were made for it.")
        }
        for layer in feedForwardLayers { try require(feedForward[layer] != nil, "mlp", layer) }
        for layer in attentionLayers { try require(attention[layer] != nil, "self_attn", layer) }
    }
}
