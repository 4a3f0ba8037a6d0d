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
        if !fields.has("head_dim"), !width.isMultiple(of: headCount) {
            throw InputError(
                "\(fields.location) num_attention_heads", expected: "a divisor of hidden_size (\(width))",
                found: "\(headCount)")
        }
        headWidth = try fields.integer(
            "head_dim", in: 2...LargestSize.headWidth, default: max(2, width / headCount))
        maximumPositions = try fields.integer(
            "max_position_embeddings", in: 1...LargestSize.positions, default: 2048)
        normEpsilon = Float(try fields.number("rms_norm_eps", in: 0...1, default: 1e-6))
        activation = try Self.activation(fields)
        rotary = try RotaryConfiguration(fields, headWidth: headWidth, maximumPositions: maximumPositions)
        tiesEmbeddings = try fields.bool("tie_word_embeddings", default: false)
        let attentionBias = try fields.bool("attention_bias", default: false)
        hasQueryKeyValueBias = attentionBias
        hasOutputBias = attentionBias
        hasFeedForwardBias = try fields.bool("mlp_bias", default: false)
        normOffset = family.normOffset
        windows = Array(repeating: 0, count: layerCount)
        queryScale = 1 / Float(headWidth).squareRoot()
        try checkConsistency(
            location: fields.location, heads: "num_attention_heads", keyValueHeads: "num_key_value_heads",
            headWidth: "head_dim")
    }

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
    }

    private static func activation(_ fields: ConfigurationFields) throws(InputError) -> GateActivation {
        let name = try fields.string("hidden_act", default: "silu")
        switch name {
        case "silu", "swish": return .silu
        case "gelu_pytorch_tanh": return .geluTanh
        default:
            throw InputError(
                "\(fields.location) hidden_act", "the activation \"\(name.prefix(40))\" is not supported",
                advice: "Supported: silu, gelu_pytorch_tanh.")
        }
    }
}

extension RotaryConfiguration {
    /// `rope_parameters` (transformers 5), or `rope_theta` beside `rope_scaling` with `rope_type` or `type` (before).
    init(_ fields: ConfigurationFields, headWidth: Int, maximumPositions: Int) throws(InputError) {
        var parameters = try fields.fields("rope_parameters")
        if parameters == nil { parameters = try fields.fields("rope_scaling") }
        let thetaRange = 1.0...1e12
        let outerTheta = try fields.number("rope_theta", in: thetaRange, default: 10_000)
        theta = try parameters?.number("rope_theta", in: thetaRange, default: outerTheta) ?? outerTheta
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
