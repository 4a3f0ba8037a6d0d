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
    package var queryKeyNorm = QueryKeyNorm.none
    package var normPlacement = NormPlacement.before
    /// How many keys a query sees in each layer, 0 for all.
    package var windows: [Int]
    /// The layers that do not rotate queries and keys.
    package var unrotatedLayers: Set<Int> = []
    /// Caps attention scores softly at this value; 0 for none.
    package var attentionSoftcap: Float = 0
    /// Caps logits softly at this value; 0 for none.
    package var logitSoftcap: Float = 0
    /// Multiplies embeddings.
    package var embeddingScale: Float = 1
    /// The embedding scale is rounded to bf16 when the weights are bf16.
    package var roundsEmbeddingScale = false
    /// Multiplies what attention and feed-forward network add to the residual.
    package var residualScale: Float = 1
    /// Divides logits.
    package var logitDivisor: Float = 1
    /// Multiplies q.k.
    package var queryScale: Float

    package var queryWidth: Int { headCount * headWidth }
    package var keyValueWidth: Int { keyValueHeadCount * headWidth }

    /// The embedding scale in the type of the weights, as transformers multiplies with it.
    func embeddingScale(in type: ElementType) -> Float {
        guard type == .bfloat16, roundsEmbeddingScale else { return embeddingScale }
        let bits = embeddingScale.bitPattern
        return Float(bitPattern: (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff_0000)
    }
}

/// What is normalised of queries and keys before they are rotated.
package enum QueryKeyNorm: Sendable {
    case none
    /// Each head by itself.
    case headwise
    /// All heads together.
    case wholeWidth
}

/// Where a block normalises.
package enum NormPlacement: Sendable {
    /// What attention and feed-forward network read.
    case before
    /// What they read, and what they add to the residual.
    case around
    /// Only what they add to the residual.
    case after
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
    static let multiplier = 1e6
}

extension DecoderConfiguration {
    /// What holds for every model of a family, whatever file it is in.
    mutating func applyTraits(of family: Family) {
        normOffset = family.normOffset
        queryKeyNorm = family.queryKeyNorm
        normPlacement = family.normPlacement
        if family.scalesEmbeddings {
            embeddingScale = Float(width).squareRoot()
            roundsEmbeddingScale = true
        }
    }

    /// Rows of a projection's weight.
    ///
    /// - Parameter name: the last component of its module's name.
    func outputWidth(ofProjection name: String) -> Int {
        switch name {
        case "q_proj": queryWidth
        case "k_proj", "v_proj": keyValueWidth
        case "gate_proj", "up_proj": feedForwardWidth
        default: width
        }
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
