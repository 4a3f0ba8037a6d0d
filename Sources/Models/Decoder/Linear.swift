// A linear layer of the model: a frozen weight, perhaps a bias, perhaps an adapter. Composed, never subclassed.

import FileSupport
package import TensorEngine

/// y = x W^T + bias, plus the adapter's share when one is installed.
package final class Linear {
    /// The decoder's name of the layer, in most families Hugging Face's: `model.layers.0.self_attn.q_proj`.
    package let name: String
    /// The Hugging Face module that this layer is, or is a part of.
    package let module: ModulePart
    package private(set) var weight: FrozenWeight
    /// f32 [out]
    package let bias: Tensor?
    package var adapter: LowRankPair?
    /// Tells this layer's dropout masks from the others'.
    private let dropoutSalt: UInt64

    package var inputWidth: Int { weight.inputWidth }
    package var outputWidth: Int { weight.outputWidth }

    /// - Parameter rotaryHeads: the heads of a q or k projection.
    init(
        _ weights: ScopedWeights, output: Int, input: Int, hasBias: Bool,
        layout: FrozenWeight.Layout = .outputRows, rotaryHeads: Int? = nil
    ) throws(InputError) {
        name = weights.path
        module = weights.module(output: output)
        weight = try weights.matrix(
            "weight", output: output, input: input, layout: layout, rotaryHeads: rotaryHeads)
        bias = hasBias ? try weights.vector("bias", count: output, rotaryHeads: rotaryHeads) : nil
        // Parts of a module drop the same elements of their common input.
        dropoutSalt = SeededRandom.hash(module.moduleName)
    }

    /// What the tape computes with in a pass with this seed.
    func layer(dropoutSeed: UInt64) -> LinearLayer {
        LinearLayer(weight, bias: bias, adapter: adapter, dropoutSeed: dropoutSeed ^ dropoutSalt)
    }

    /// Replaces the weight by one of the same shape, as merging an adapter does.
    package func replaceWeight(_ replacement: FrozenWeight) {
        precondition(
            replacement.inputWidth == inputWidth && replacement.outputWidth == outputWidth
                && replacement.layout == weight.layout, "\(name): a weight of another shape")
        weight = replacement
    }
}

/// The seven linear layers of a block.
package struct BlockLinears {
    package let query: Linear
    package let key: Linear
    package let value: Linear
    package let output: Linear
    package let gate: Linear
    package let up: Linear
    package let down: Linear

    package var all: [Linear] { [query, key, value, output, gate, up, down] }
}
