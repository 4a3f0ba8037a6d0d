// The keys of config.json that not every family has.

import FileSupport
import TensorEngine

extension ModelSource {
    typealias Members = [(key: String, value: JSONValue)]

    func biasKeys() throws(InputError) -> Members {
        let c = configuration
        let isExpressible =
            switch family.attentionBias {
            case .asConfigured: c.hasQueryKeyValueBias == c.hasOutputBias
            case .queryKeyValue: c.hasQueryKeyValueBias && !c.hasOutputBias
            case .none: !c.hasQueryKeyValueBias && !c.hasOutputBias
            }
        guard isExpressible else {
            throw InputError(
                path,
                "config.json of the family \(family.modelType) cannot express which of q, k, v and o have biases"
            )
        }
        guard family.attentionBias == .asConfigured else { return [] }
        return [
            ("attention_bias", .bool(c.hasQueryKeyValueBias)), ("mlp_bias", .bool(c.hasFeedForwardBias)),
        ]
    }

    func activationKeys() -> Members {
        let name = configuration.activation == .silu ? "silu" : "gelu_pytorch_tanh"
        return [(family.defaults.activationKey, .string(name))]
    }

    func windowKeys() -> Members {
        let windows = configuration.windows
        let window = windows.first { $0 > 0 }.map { JSONValue.integer($0) } ?? .null
        switch family.windows {
        case .none: return []
        case .everyLayer, .everyLayerIfStated: return [("sliding_window", window)]
        // GGUF files of these families have no windows.
        case .upperLayers, .unrotatedLayers: return [("use_sliding_window", .bool(false))]
        case .allButEvery:
            let types = windows.map { JSONValue.string($0 > 0 ? "sliding_attention" : "full_attention") }
            return [("sliding_window", window), ("layer_types", .array(types))]
        }
    }

    func scaleKeys() -> Members {
        let c = configuration
        var members: Members = []
        if case .configured = family.queryScale {
            let scalar = 1 / (Double(c.queryScale) * Double(c.queryScale))
            // A whole number in all published models, and transformers expects one.
            members.append((DecoderConfiguration.queryScalarKey, .integer(Int(scalar.rounded()))))
        }
        func softcap(_ value: Float) -> JSONValue { value > 0 ? .number(Double(value)) : .null }
        if family.attentionSoftcap != nil {
            members.append((DecoderConfiguration.attentionSoftcapKey, softcap(c.attentionSoftcap)))
        }
        if family.logitSoftcap != nil {
            members.append((DecoderConfiguration.logitSoftcapKey, softcap(c.logitSoftcap)))
        }
        if family.hasMultipliers {
            for (key, value) in [
                (DecoderConfiguration.embeddingMultiplierKey, c.embeddingScale),
                (DecoderConfiguration.residualMultiplierKey, c.residualScale),
                (DecoderConfiguration.attentionMultiplierKey, c.queryScale),
                (DecoderConfiguration.logitDivisorKey, c.logitDivisor),
            ] {
                members.append((key, Self.shortest(value)))
            }
        }
        return members
    }

    /// Through the shortest decimal form: 1e-05, not 9.999999747378752e-06.
    static func shortest(_ value: Float) -> JSONValue { .number(Double("\(value)") ?? Double(value)) }
}
