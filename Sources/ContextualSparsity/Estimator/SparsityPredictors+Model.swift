// Predictors made from a model's weights.

package import Models
package import TensorEngine

extension SparsityPredictors {
    /// Truncated singular value decompositions of gate, up, q, k and v of every layer.
    ///
    /// The frozen weights alone count; adapters change them little. The same weights give the same factors.
    /// - Parameter rank: of every factor; weights with a side below it are padded with zeros.
    package init(of model: CausalLM, rank: Int, fingerprint: String? = nil) {
        self.init(rank: rank, baseModel: "", fingerprint: fingerprint)
        func factors(_ linear: Linear) -> LowRankFactors {
            LowRankFactors(of: linear.weight, rank: rank, on: model.backend)
        }
        for layer in 0..<model.configuration.layerCount {
            let linears = model.linears(ofLayer: layer)
            feedForward[layer] = FeedForward(gate: factors(linears.gate), up: factors(linears.up))
            attention[layer] = Attention(
                query: factors(linears.query), key: factors(linears.key), value: factors(linears.value))
        }
    }
}

extension LowRankFactors {
    /// The best approximation of a frozen weight of this rank, exact where the weight has no higher one.
    package init(of weight: FrozenWeight, rank: Int, on backend: any Backend) {
        let projection = LowRankProjection(of: weight, rank: rank, on: backend)
        let found = projection.rank
        let padding = [Float](repeating: 0, count: rank - found)
        let down = backend.download(projection.down)
        var w1: [Float] = []
        w1.reserveCapacity(weight.inputWidth * rank)
        for row in 0..<weight.inputWidth { w1 += down[row * found..<(row + 1) * found] + padding }
        let w2 = backend.download(projection.up)
        self.init(
            inputWidth: weight.inputWidth, rank: rank, outputWidth: weight.outputWidth, w1: w1,
            w2: w2 + [Float](repeating: 0, count: (rank - found) * weight.outputWidth))
    }
}
