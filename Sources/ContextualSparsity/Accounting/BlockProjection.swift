// The linear layers of a block, and the ranks of their adapters.

package import Models
import TensorEngine

/// A linear layer of a block, by its Hugging Face name within it.
package enum BlockProjection: String, CaseIterable, Sendable {
    case query = "self_attn.q_proj"
    case key = "self_attn.k_proj"
    case value = "self_attn.v_proj"
    case output = "self_attn.o_proj"
    case gate = "mlp.gate_proj"
    case up = "mlp.up_proj"
    case down = "mlp.down_proj"
}

/// The adapters of a model as far as their cost goes: a rank for each projection, 0 for none.
package struct AdapterRanks: Equatable, Sendable {
    private var ranks: [[BlockProjection: Int]]

    /// The same rank at these projections of every layer of `layers`.
    package init(
        _ rank: Int, at projections: [BlockProjection], layers: Range<Int>, layerCount: Int
    ) {
        let adapted = Dictionary(uniqueKeysWithValues: projections.map { ($0, rank) })
        ranks = (0..<layerCount).map { layers.contains($0) ? adapted : [:] }
    }

    /// The adapters that a model carries.
    package init(_ model: CausalLM) {
        ranks = (0..<model.configuration.layerCount).map { layer in
            let linears = model.linears(ofLayer: layer)
            return [
                .query: linears.query, .key: linears.key, .value: linears.value, .output: linears.output,
                .gate: linears.gate, .up: linears.up, .down: linears.down,
            ].compactMapValues { $0.adapter?.rank }
        }
    }

    package subscript(layer: Int, projection: BlockProjection) -> Int { ranks[layer][projection] ?? 0 }
}
