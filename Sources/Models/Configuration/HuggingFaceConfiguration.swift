// A decoder's configuration from a Hugging Face config.json, as old and new versions of transformers write it.

import FileSupport
import TensorEngine

extension DecoderConfiguration {
    /// - Throws: `InputError` naming the key for anything missing, out of range or not supported.
    init(_ fields: ConfigurationFields, family: Family) throws(InputError) {
        try Self.refuseUnsupported(fields)
        let defaults = family.defaults
        vocabularySize = try fields.integer(
            "vocab_size", in: 1...LargestSize.vocabulary, default: defaults.vocabularySize)
        width = try fields.integer("hidden_size", in: 1...LargestSize.width)
        feedForwardWidth = try fields.integer("intermediate_size", in: 1...LargestSize.feedForwardWidth)
        layerCount = try fields.integer("num_hidden_layers", in: 1...LargestSize.layers)
        headCount = try fields.integer(
            "num_attention_heads", in: 1...LargestSize.heads, default: defaults.headCount)
        // Absent and null differ here: null says that there are as many as heads.
        let keyValueHeads = fields.object["num_key_value_heads"] == .null ? nil : defaults.keyValueHeadCount
        keyValueHeadCount = try fields.integer(
            "num_key_value_heads", in: 1...headCount, default: keyValueHeads ?? headCount)
        if !fields.has("head_dim"), defaults.headWidth == nil, !width.isMultiple(of: headCount) {
            throw InputError(
                "\(fields.location) num_attention_heads", expected: "a divisor of hidden_size (\(width))",
                found: "\(headCount)")
        }
        headWidth = try fields.integer(
            "head_dim", in: 2...LargestSize.headWidth,
            default: defaults.headWidth ?? max(2, width / headCount))
        maximumPositions = try fields.integer(
            "max_position_embeddings", in: 1...LargestSize.positions, default: defaults.maximumPositions)
        normEpsilon = Float(try fields.number("rms_norm_eps", in: 0...1, default: defaults.normEpsilon))
        activation = try Self.activation(fields, defaults)
        rotary = try RotaryConfiguration(
            fields, family, headWidth: headWidth, maximumPositions: maximumPositions)
        windowedRotary = try RotaryConfiguration(
            ofWindowedLayers: fields, family, headWidth: headWidth, maximumPositions: maximumPositions)
        tiesEmbeddings = try fields.bool("tie_word_embeddings", default: defaults.tiesEmbeddings)
        let attentionBias = try fields.bool("attention_bias", default: false)
        hasQueryKeyValueBias =
            family.attentionBias == .queryKeyValue || family.attentionBias == .asConfigured && attentionBias
        hasOutputBias = family.attentionBias == .asConfigured && attentionBias
        hasFeedForwardBias = try fields.bool("mlp_bias", default: false)
        unrotatedLayers = try family.unrotatedLayers(fields, layerCount: layerCount)
        windows = try family.windows.windows(
            fields, layerCount: layerCount, unrotatedLayers: unrotatedLayers)
        queryScale = 1 / Float(headWidth).squareRoot()
        if case .configured = family.queryScale {
            let scalar = try fields.number(Self.queryScalarKey, in: 1e-6...1e12, default: 256)
            queryScale = Float(1 / scalar.squareRoot())
        }
        func softcap(_ key: String, _ fallback: Float?) throws(InputError) -> Float {
            // Absent and null differ here: null says that there is no cap.
            guard let fallback, fields.object[key] != .null else { return 0 }
            return Float(try fields.number(key, in: 0...1e6, default: Double(fallback)))
        }
        attentionSoftcap = try softcap(Self.attentionSoftcapKey, family.attentionSoftcap)
        logitSoftcap = try softcap(Self.logitSoftcapKey, family.logitSoftcap)
        if family.hasMultipliers {
            func multiplier(_ key: String) throws(InputError) -> Float {
                Float(try fields.number(key, in: 1e-6...LargestSize.multiplier, default: 1))
            }
            embeddingScale = try multiplier(Self.embeddingMultiplierKey)
            residualScale = try multiplier(Self.residualMultiplierKey)
            queryScale = try multiplier(Self.attentionMultiplierKey)
            logitDivisor = try multiplier(Self.logitDivisorKey)
        }
        applyTraits(of: family)
        try checkConsistency(
            location: fields.location, heads: "num_attention_heads", keyValueHeads: "num_key_value_heads",
            headWidth: "head_dim")
    }

    static let embeddingMultiplierKey = "embedding_multiplier"
    static let residualMultiplierKey = "residual_multiplier"
    static let attentionMultiplierKey = "attention_multiplier"
    static let logitDivisorKey = "logits_scaling"
    static let queryScalarKey = "query_pre_attn_scalar"
    static let attentionSoftcapKey = "attn_logit_softcapping"
    static let logitSoftcapKey = "final_logit_softcapping"

    /// - Throws: `InputError` for what no family can do.
    static func refuseUnsupported(_ fields: ConfigurationFields) throws(InputError) {
        if fields.has("quantization_config") {
            throw InputError(
                "\(fields.location) quantization_config",
                "quantised checkpoints of this kind are not supported",
                advice: "Use the unquantised model, or a GGUF file.")
        }
        if try fields.bool("use_bidirectional_attention", default: false) {
            throw InputError(
                "\(fields.location) use_bidirectional_attention", "encoders are not supported")
        }
    }

    private static func activation(
        _ fields: ConfigurationFields, _ defaults: Family.Defaults
    ) throws(InputError) -> GateActivation {
        guard fields.has(defaults.activationKey) else { return defaults.activation }
        let name = try fields.string(defaults.activationKey)
        if name == "gelu", let activation = defaults.plainGELU { return activation }
        switch name {
        case "silu", "swish": return .silu
        case "gelu_pytorch_tanh": return .geluTanh
        default:
            throw InputError(
                "\(fields.location) \(defaults.activationKey)",
                "the activation \"\(name.prefix(40))\" is not supported",
                advice: "Supported: silu, gelu_pytorch_tanh.")
        }
    }
}
