// A decoder's configuration from a Hugging Face config.json, as old and new versions of transformers write it.

import FileSupport
import TensorEngine

extension DecoderConfiguration {
    /// - Throws: `InputError` naming the key for anything missing, out of range or not supported.
    init(_ fields: ConfigurationFields, family: Family) throws(InputError) {
        try Self.refuseUnsupported(fields)
        vocabularySize = try fields.integer("vocab_size", in: 1...LargestSize.vocabulary)
        width = try fields.integer("hidden_size", in: 1...LargestSize.width)
        feedForwardWidth = try fields.integer("intermediate_size", in: 1...LargestSize.feedForwardWidth)
        layerCount = try fields.integer("num_hidden_layers", in: 1...LargestSize.layers)
        headCount = try fields.integer("num_attention_heads", in: 1...LargestSize.heads)
        keyValueHeadCount = try fields.integer(
            "num_key_value_heads", in: 1...headCount, default: headCount)
        if !fields.has("head_dim"), family.defaults.headWidth == nil, !width.isMultiple(of: headCount) {
            throw InputError(
                "\(fields.location) num_attention_heads", expected: "a divisor of hidden_size (\(width))",
                found: "\(headCount)")
        }
        headWidth = try fields.integer(
            "head_dim", in: 2...LargestSize.headWidth,
            default: family.defaults.headWidth ?? max(2, width / headCount))
        maximumPositions = try fields.integer(
            "max_position_embeddings", in: 1...LargestSize.positions, default: 2048)
        normEpsilon = Float(try fields.number("rms_norm_eps", in: 0...1, default: 1e-6))
        activation = try Self.activation(fields, family.defaults)
        rotary = try RotaryConfiguration(
            fields, family, headWidth: headWidth, maximumPositions: maximumPositions)
        windowedRotary = try RotaryConfiguration(
            ofWindowedLayers: fields, family, headWidth: headWidth, maximumPositions: maximumPositions)
        tiesEmbeddings = try fields.bool("tie_word_embeddings", default: family.defaults.tiesEmbeddings)
        let attentionBias = try fields.bool("attention_bias", default: false)
        hasQueryKeyValueBias =
            family.attentionBias == .queryKeyValue || family.attentionBias == .asConfigured && attentionBias
        hasOutputBias = family.attentionBias == .asConfigured && attentionBias
        hasFeedForwardBias = try fields.bool("mlp_bias", default: false)
        windows = try family.windows.windows(fields, layerCount: layerCount)
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
        applyTraits(of: family)
        try checkConsistency(
            location: fields.location, heads: "num_attention_heads", keyValueHeads: "num_key_value_heads",
            headWidth: "head_dim")
    }

    static let queryScalarKey = "query_pre_attn_scalar"
    static let attentionSoftcapKey = "attn_logit_softcapping"
    static let logitSoftcapKey = "final_logit_softcapping"

    private static func refuseUnsupported(_ fields: ConfigurationFields) throws(InputError) {
        if fields.has("quantization_config") {
            throw InputError(
                "\(fields.location) quantization_config",
                "quantised checkpoints of this kind are not supported",
                advice: "Use the unquantised model, or a GGUF file.")
        }
        if try fields.number("partial_rotary_factor", in: 0...1, default: 1) != 1 {
            throw InputError(
                "\(fields.location) partial_rotary_factor", "partly rotated heads are not supported")
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

extension RotaryConfiguration {
    /// `rope_parameters` (transformers 5), or `rope_theta` beside `rope_scaling` with `rope_type` or `type` (before).
    /// Of families whose layers differ, those without a window.
    init(
        _ fields: ConfigurationFields, _ family: Family, headWidth: Int, maximumPositions: Int
    ) throws(InputError) {
        var parameters = try fields.fields("rope_parameters")
        if family.windowedTheta != nil, let perLayerType = parameters, perLayerType.has("full_attention") {
            parameters = try perLayerType.fields("full_attention")
        }
        if parameters == nil { parameters = try fields.fields("rope_scaling") }
        let theta = try fields.number("rope_theta", in: Self.thetaRange, default: family.defaults.theta)
        try self.init(parameters, theta: theta, headWidth: headWidth, maximumPositions: maximumPositions)
    }

    /// nil in families that rotate alike in all layers. `rope_local_base_freq` before transformers 5; never scaled then.
    init?(
        ofWindowedLayers fields: ConfigurationFields, _ family: Family, headWidth: Int, maximumPositions: Int
    ) throws(InputError) {
        guard let familyTheta = family.windowedTheta else { return nil }
        let parameters = try fields.fields("rope_parameters")?.fields("sliding_attention")
        let theta = try fields.number("rope_local_base_freq", in: Self.thetaRange, default: familyTheta)
        try self.init(parameters, theta: theta, headWidth: headWidth, maximumPositions: maximumPositions)
    }

    private static let thetaRange = 1.0...1e12

    /// - Parameter outerTheta: the base unless the parameters hold one.
    private init(
        _ parameters: ConfigurationFields?, theta outerTheta: Double, headWidth: Int, maximumPositions: Int
    ) throws(InputError) {
        theta = try parameters?.number("rope_theta", in: Self.thetaRange, default: outerTheta) ?? outerTheta
        width = headWidth
        scaling = .none
        guard let parameters else { return }
        let type = try parameters.string(
            "rope_type", default: parameters.string("type", default: "default"))
        let factorRange = 1e-3...1e6
        switch type {
        case "default": break
        case "linear": scaling = .linear(factor: try parameters.number("factor", in: factorRange))
        case "llama3":
            let low = try parameters.number("low_freq_factor", in: factorRange)
            let high = try parameters.number("high_freq_factor", in: factorRange)
            guard high > low else {
                throw InputError(
                    "\(parameters.location) high_freq_factor", expected: "more than low_freq_factor (\(low))",
                    found: "\(high)")
            }
            scaling = .llama3(
                Llama3Scaling(
                    factor: try parameters.number("factor", in: factorRange), lowFrequencyFactor: low,
                    highFrequencyFactor: high,
                    originalMaximumPositions: try parameters.integer(
                        "original_max_position_embeddings", in: 1...LargestSize.positions,
                        default: maximumPositions)))
        default:
            throw InputError(
                "\(parameters.location) rope_type",
                "the rope scaling \"\(type.prefix(40))\" is not supported",
                advice: "Supported: \(Self.supportedTypes.joined(separator: ", ")).")
        }
    }
}
