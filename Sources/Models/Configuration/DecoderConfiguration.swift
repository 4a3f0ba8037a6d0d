// Everything that decides a decoder's shape and arithmetic, resolved: no optionals, every number checked.

import FileSupport
package import TensorEngine

/// A decoder-only transformer, whatever file described it.
package struct DecoderConfiguration: Equatable, Sendable {
    // Shape.
    package var vocabularySize: Int
    /// D
    package var width: Int
    /// F
    package var feedForwardWidth: Int
    package var layerCount: Int
    /// H
    package var headCount: Int
    /// KV
    package var keyValueHeadCount: Int
    /// K; H * K need not equal D.
    package var headWidth: Int
    /// The longest sequence that the model was made for.
    package var maximumPositions: Int

    // Arithmetic.
    package var normEpsilon: Float
    package var activation: GateActivation = .silu
    package var rotary: RotaryConfiguration
    /// Of layers with a window, where they rotate otherwise than the rest.
    package var windowedRotary: RotaryConfiguration?
    /// The head is the embedding table.
    package var tiesEmbeddings: Bool
    /// q, k and v have biases.
    package var hasQueryKeyValueBias = false
    /// o has a bias.
    package var hasOutputBias = false
    /// gate, up and down have biases.
    package var hasFeedForwardBias = false
    /// Added to every norm weight: 1 in families whose checkpoints store weight - 1.
    package var normOffset: Float = 0
    /// Queries and keys are normalised head by head before they are rotated.
    package var normalisesQueriesAndKeys = false
    /// Attention and feed-forward results are normalised before they join the residual.
    package var hasSandwichNorms = false
    /// How many keys a query sees in each layer, 0 for all.
    package var windows: [Int]
    /// Caps attention scores softly at this value; 0 for none.
    package var attentionSoftcap: Float = 0
    /// Caps logits softly at this value; 0 for none.
    package var logitSoftcap: Float = 0
    /// Multiplies embeddings; rounded to bf16 when the weights are bf16.
    package var embeddingScale: Float = 1
    /// Multiplies q.k.
    package var queryScale: Float

    package var queryWidth: Int { headCount * headWidth }
    package var keyValueWidth: Int { keyValueHeadCount * headWidth }

    /// The embedding scale in the type of the weights, as transformers multiplies with it.
    func embeddingScale(in type: ElementType) -> Float {
        guard type == .bfloat16 else { return embeddingScale }
        let bits = embeddingScale.bitPattern
        return Float(bitPattern: (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff_0000)
    }
}

/// The largest value of each size that a file may claim: far above any model, and no product of them overflows.
enum LargestSize {
    static let vocabulary = 1 << 24
    static let width = 1 << 17
    static let feedForwardWidth = 1 << 20
    static let layers = 1 << 12
    static let heads = 1 << 12
    static let headWidth = 1 << 10
    static let positions = 1 << 27
}

extension DecoderConfiguration {
    /// What holds for every model of a family, whatever file it is in.
    mutating func applyTraits(of family: Family) {
        normOffset = family.normOffset
        normalisesQueriesAndKeys = family.normalisesQueriesAndKeys
        hasSandwichNorms = family.hasSandwichNorms
        if family.scalesEmbeddings { embeddingScale = Float(width).squareRoot() }
    }

    /// Throws unless the sizes suit each other. `names` are the file's words for them.
    func checkConsistency(
        location: String, heads: String, keyValueHeads: String, headWidth headWidthName: String
    ) throws(InputError) {
        guard headCount.isMultiple(of: keyValueHeadCount) else {
            throw InputError(
                "\(location) \(keyValueHeads)", expected: "a divisor of \(heads) (\(headCount))",
                found: "\(keyValueHeadCount)")
        }
        guard headWidth.isMultiple(of: 2), rotary.width.isMultiple(of: 2) else {
            throw InputError(
                "\(location) \(headWidthName)", expected: "an even head width", found: "\(headWidth)")
        }
    }
}
