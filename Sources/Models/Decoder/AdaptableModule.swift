// Linear layers as Hugging Face's checkpoints and adapters name them: some families fuse several into one module.

package import TensorEngine

/// Which rows of which Hugging Face module a linear layer of the decoder is.
package struct ModulePart: Equatable, Sendable {
    /// e.g. `model.layers.0.self_attn.qkv_proj`
    package let moduleName: String
    /// Outputs of the whole module.
    package let moduleWidth: Int
    package let rows: Range<Int>

    package var isWhole: Bool { rows == 0..<moduleWidth }
}

/// A module that can carry one adapter: one linear layer, or several that checkpoints store as one matrix.
package struct AdaptableModule {
    /// The layers in the order of the module's rows.
    package let layers: [Linear]

    /// The module's Hugging Face name, as adapter files have it.
    package var name: String { layers[0].module.moduleName }
    package var inputWidth: Int { layers[0].inputWidth }
    package var outputWidth: Int { layers[0].module.moduleWidth }
    package var isAdapted: Bool { layers.contains { $0.adapter != nil } }

    /// Installs a pair, A [R, in] and B [out, R], or removes what is installed.
    ///
    /// Layers of a fused module share A and have a part of B's rows each, which is what one adapter on the fused matrix
    /// computes.
    package func adapt(with pair: LowRankPair?) {
        for layer in layers {
            layer.adapter = layer.module.isWhole ? pair : pair?.part(layer.module.rows)
        }
    }
}

extension CausalLM {
    /// Every module that can carry an adapter, in the order of the layers.
    package var adaptableModules: [AdaptableModule] {
        var groups: [[Linear]] = []
        for linear in linears {
            if groups.last?.last?.module.moduleName == linear.module.moduleName {
                groups[groups.count - 1].append(linear)
            } else {
                groups.append([linear])
            }
        }
        return groups.map { AdaptableModule(layers: $0) }
    }
}
