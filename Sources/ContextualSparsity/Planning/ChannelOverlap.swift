// How well a policy's feed-forward channels agree with those that matter most to a batch.

package import Models
package import TensorEngine

/// Leaves a pass dense, and compares in every layer what a policy would keep with an oracle: as many channels with the
/// largest activations, weighted by what the down projection makes of them.
package final class ChannelOverlap: SparsityPolicy {
    /// By layer.
    package private(set) var layers: [Int: (kept: Int, overlap: Double)] = [:]
    private let model: CausalLM
    private let policy: any SparsityPolicy

    package init(_ model: CausalLM, _ policy: any SparsityPolicy) {
        self.model = model
        self.policy = policy
    }

    package var denseLeadingTokens: Int { policy.denseLeadingTokens }
    package var sparseOutputShare: Double { policy.sparseOutputShare }
    package var allowsSharedPrefixes: Bool { policy.allowsSharedPrefixes }

    package func feedForward(
        layer: Int, input: Tensor, rows: RowPartition, on backend: any Backend
    ) -> ChannelUse? {
        let use = policy.feedForward(layer: layer, input: input, rows: rows, on: backend)
        guard let kept = use?.selection?.kept else { return nil }
        let linears = model.linears(ofLayer: layer)
        let context = backend.gathered(input, rows: rows.context, type: .float32)
        let channels = backend.gatedChannels(
            context, linears, model.configuration.activation, adapters: true)
        let energies = backend.makeTensor(rowCount: 1, width: channels.width, type: .float32)
        backend.columnSums(of: channels, rows: nil, squared: true, into: energies)
        let norms = backend.rowNorms(of: backend.converted(linears.down.weight.tensor, to: .float32))
        let scores = zip(backend.download(energies), norms).map { $0.squareRoot() * $1 }
        let (best, _) = backend.selectLargest(
            backend.upload(scores, rowCount: 1, width: scores.count, type: .float32), count: kept.count)
        let common = Set(backend.downloadIndices(best)).intersection(backend.downloadIndices(kept)).count
        layers[layer] = (kept.count, Double(common) / Double(kept.count))
        return nil
    }
}

extension Backend {
    /// h = activation(gate(x)) * up(x), f32 [N, F].
    func gatedChannels(
        _ inputs: Tensor, _ linears: BlockLinears, _ activation: GateActivation, adapters: Bool
    ) -> Tensor {
        let tape = Tape(backend: self, isRecording: false)
        let values = tape.linears(
            Variable(inputs),
            [linears.gate, linears.up].map {
                LinearLayer($0.weight, bias: $0.bias, adapter: adapters ? $0.adapter : nil)
            }
        ).map(\.value)
        let product = makeTensor(rowCount: inputs.rowCount, width: values[0].width, type: .float32)
        gate(activation, gate: values[0], up: values[1], rows: nil, into: product)
        return product
    }
}
