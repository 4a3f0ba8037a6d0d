// The criterion that the estimator imitates: the activations themselves, computed in full.

package import Models
package import TensorEngine

/// Scores from dense activations, adapters included: no saving, but the set that an estimator should find.
package struct OracleScores: ChannelScorer {
    private let model: CausalLM
    /// |W_down| by layer, [F, D]; empty where activations alone count.
    private let downMagnitudes: [Int: Tensor]

    /// - Parameter weightedLayers: layers whose feed-forward activations are weighted by the rows of the down projection
    ///   that they meet, normalised by what each output receives from all channels (Wanda, arXiv 2306.11695).
    package init(_ model: CausalLM, weightedLayers: [Int] = []) {
        self.model = model
        let backend = model.backend
        var magnitudes: [Int: Tensor] = [:]
        for layer in weightedLayers {
            let down = model.linears(ofLayer: layer).down.weight.tensor
            magnitudes[layer] = backend.upload(
                backend.download(down).map(abs), rowCount: down.rowCount, width: down.width, type: down.type)
        }
        downMagnitudes = magnitudes
    }

    /// Norms of the columns of Q, K and V, before positions.
    package func attention(
        layer: Int, input: Tensor, rows: RowPartition, on backend: any Backend
    ) -> AttentionScores {
        let linears = model.linears(ofLayer: layer)
        let outputs = outputs(of: [linears.query, linears.key, linears.value], input, rows, on: backend)
        let norms = outputs.map { ColumnNorms.norms(of: $0, rows: nil, on: backend) }
        return AttentionScores(queryNorms: norms[0], keyNorms: norms[1], valueNorms: norms[2])
    }

    /// Norms of the columns of h = activation(gate) * up, perhaps weighted.
    package func feedForward(
        layer: Int, input: Tensor, rows: RowPartition, on backend: any Backend
    ) -> [Float] {
        let linears = model.linears(ofLayer: layer)
        let inner = outputs(of: [linears.gate, linears.up], input, rows, on: backend)
        backend.gate(model.configuration.activation, gate: inner[0], up: inner[1], rows: nil, into: inner[0])
        let norms = ColumnNorms.norms(of: inner[0], rows: nil, on: backend)
        return downMagnitudes[layer].map { weighted(norms, by: $0, on: backend) } ?? norms
    }

    /// score_j = norm_j * the sum over outputs o of |W_jo| / (the sum over channels i of norm_i |W_io|).
    private func weighted(_ norms: [Float], by magnitudes: Tensor, on backend: any Backend) -> [Float] {
        let row = backend.upload(norms, rowCount: 1, width: norms.count, type: .float32)
        let received = backend.product(
            MatrixOperand(row), MatrixOperand(magnitudes, transposed: true), type: .float32)
        // An output that receives nothing tells nothing.
        let shares = backend.download(received).map { $0 > 0 ? 1 / $0 : 0 }
        let sums = backend.product(
            MatrixOperand(backend.upload(shares, rowCount: 1, width: shares.count, type: .float32)),
            MatrixOperand(magnitudes), type: .float32)
        return zip(norms, backend.download(sums)).map { $0 * $1 }
    }

    /// What layers over one input give for the context rows, f32, adapters included.
    private func outputs(
        of linears: [Linear], _ input: Tensor, _ rows: RowPartition, on backend: any Backend
    ) -> [Tensor] {
        let gathered = backend.gathered(input, rows: rows.context, type: .float32)
        let tape = Tape(backend: backend, isRecording: false)
        return tape.linears(
            tape.constant(gathered),
            linears.map { LinearLayer($0.weight, bias: $0.bias, adapter: $0.adapter) }
        ).map(\.value)
    }
}
