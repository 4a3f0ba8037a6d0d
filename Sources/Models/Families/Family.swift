// Model families as data: what a family is called in files, and what distinguishes its decoder from the others'.

import FileSupport
import TensorEngine

/// One family of decoders. A new family that fits the decoder is a new row of `all`.
package struct Family: Sendable {
    /// `model_type` in Hugging Face configurations.
    package let modelType: String
    /// `model_type` of models that hold this decoder beside encoders of images: its configuration is their
    /// `text_config`.
    var wrapperModelType: String?
    /// The class in `architectures` of Hugging Face configurations.
    package let className: String
    /// `general.architecture` in GGUF files, also the prefix of its metadata keys.
    package let ggufArchitecture: String
    /// GGUF files store the rows of q and k so that rotated pairs are neighbours.
    package var permutesRotaryRowsInGGUF = false
    /// Added to every norm weight of a Hugging Face checkpoint; GGUF files store the sum.
    package var normOffset: Float = 0
    var queryKeyNorm = QueryKeyNorm.none
    var normPlacement = NormPlacement.before
    var attentionBias = AttentionBias.asConfigured
    var windows = WindowPattern.none
    /// The last of so many layers does not rotate queries and keys, unless `no_rope_layers` says otherwise; nil when all
    /// do.
    var unrotatedInterval: Int?
    /// `partial_rotary_factor` is read: only the first channels of a head are rotated.
    var rotatesPartly = false
    /// What an absent `original_max_position_embeddings` beside the rope parameters means. Nil in families that keep
    /// it among the parameters.
    var originalPositions: Int?
    /// The base of rotation in layers with a window where it differs from that of the others.
    var windowedTheta: Double?
    /// Embeddings are multiplied by the square root of the width.
    var scalesEmbeddings = false
    /// `embedding_multiplier`, `residual_multiplier`, `attention_multiplier` and `logits_scaling`, 1 when absent.
    var hasMultipliers = false
    /// Where the query scale comes from, in families without an `attention_multiplier`.
    var queryScale = QueryScale.headWidth
    /// The cap of attention scores where the configuration is silent; nil in families without one.
    var attentionSoftcap: Float?
    /// The cap of logits, likewise.
    var logitSoftcap: Float?
    /// What a configuration means that does not say.
    var defaults = Defaults()
    /// Modules outside the layers, Hugging Face name beside GGUF name.
    let modelModules = standardModelModules
    /// Modules of one layer, likewise.
    var layerModules = standardLayerModules
    /// Projections that checkpoints store, and adapters adapt, as one matrix.
    var fusedProjections: [FusedProjection] = []

    enum AttentionBias: Sendable {
        /// `attention_bias` decides for q, k, v and o together.
        case asConfigured
        case queryKeyValue
        case none
    }

    enum QueryScale: Sendable {
        /// 1 / sqrt(head width)
        case headWidth
        /// 1 / sqrt(`query_pre_attn_scalar`), 256 when absent. GGUF files do not store it: it is the head width, except
        /// in models of these many layers, where it is the width divided by the heads.
        case configured(exceptionalLayerCounts: Set<Int>)
    }

    struct Defaults: Sendable {
        var activationKey = "hidden_act"
        var activation = GateActivation.silu
        /// What "gelu" names, where that is not an activation that this version lacks.
        var plainGELU: GateActivation?
        /// nil: width divided by heads.
        var headWidth: Int?
        var tiesEmbeddings = false
        var theta = 10_000.0
        var normEpsilon = 1e-6
        var maximumPositions = 2048
        /// nil: the heads.
        var keyValueHeadCount: Int?
        /// nil: `num_attention_heads` must be there.
        var headCount: Int?
        /// nil: `vocab_size` must be there.
        var vocabularySize: Int?
    }

    struct ModuleName: Sendable {
        let huggingFace: String
        let gguf: String

        init(_ huggingFace: String, _ gguf: String) {
            self.huggingFace = huggingFace
            self.gguf = gguf
        }
    }

    /// Modules of the decoder whose rows lie one after another in one stored matrix.
    struct FusedProjection: Sendable {
        /// Last component of the stored module's name.
        let name: String
        /// Last components of the decoder's module names, in the order of their rows.
        let parts: [String]
    }
}

extension Family {
    /// - Parameter fields: the model's configuration, for errors that say more.
    static func named(
        modelType: String, _ fields: ConfigurationFields? = nil, location: String
    ) throws(InputError) -> Family {
        if let family = all.first(where: { $0.modelType == modelType }) { return family }
        throw unsupported(modelType: modelType, fields, location: location)
    }

    /// Llama and Mistral share an architecture name in GGUF files: only a window tells them apart.
    static func named(
        ggufArchitecture name: String, hasWindow: Bool, location: String
    ) throws(InputError) -> Family {
        let candidates = all.filter { $0.ggufArchitecture == name }
        if let family = candidates.first(where: { ($0.windows != .none) == hasWindow }) ?? candidates.first {
            return family
        }
        throw unsupported(ggufArchitecture: name, location: location)
    }

    /// `model.layers.3.self_attn.q_proj.weight` -> `blk.3.attn_q.weight`; nil for a name that the family lacks.
    package func ggufName(ofTensor name: String) -> String? {
        translate(name, layerPrefix: "model.layers.", to: "blk.", from: \.huggingFace, into: \.gguf)
    }

    /// `blk.3.attn_q.weight` -> `model.layers.3.self_attn.q_proj.weight`; nil for a name that the family lacks.
    package func huggingFaceName(ofTensor name: String) -> String? {
        translate(name, layerPrefix: "blk.", to: "model.layers.", from: \.gguf, into: \.huggingFace)
    }

    private func translate(
        _ name: String, layerPrefix: String, to newPrefix: String, from: KeyPath<ModuleName, String>,
        into: KeyPath<ModuleName, String>
    ) -> String? {
        guard let dot = name.lastIndex(of: ".") else { return nil }
        let module = name[..<dot]
        let parameter = name[dot...]
        guard module.hasPrefix(layerPrefix) else {
            return modelModules.first { $0[keyPath: from] == module }.map { $0[keyPath: into] + parameter }
        }
        let rest = module.dropFirst(layerPrefix.count)
        guard let end = rest.firstIndex(of: ".") else { return nil }
        let inner = rest[rest.index(after: end)...]
        return layerModules.first { $0[keyPath: from] == inner }
            .map { "\(newPrefix)\(rest[..<end]).\($0[keyPath: into])\(parameter)" }
    }
}
