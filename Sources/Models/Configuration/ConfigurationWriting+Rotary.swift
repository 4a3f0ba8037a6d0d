// The keys of config.json that say how positions are rotated.

import FileSupport

extension ModelSource {
    func rotaryKeys() throws(InputError) -> Members {
        let c = configuration
        var members: Members = [
            ("rope_scaling", try ropeScaling()), ("rope_theta", .number(c.rotary.theta)),
        ]
        if let windowed = c.windowedRotary {
            members.append(("rope_local_base_freq", .number(windowed.theta)))
        }
        if family.rotatesPartly {
            members.append(("partial_rotary_factor", .number(Double(c.rotary.width) / Double(c.headWidth))))
        }
        if family.originalPositions != nil, case .longrope(let scaling) = c.rotary.scaling {
            members.append(("original_max_position_embeddings", .integer(scaling.originalMaximumPositions)))
        }
        if family.unrotatedInterval != nil {
            members.append(
                (
                    "no_rope_layers",
                    .array((0..<c.layerCount).map { .integer(c.unrotatedLayers.contains($0) ? 0 : 1) })
                ))
        }
        return members
    }

    private func ropeScaling() throws(InputError) -> JSONValue {
        func object(_ type: String, _ members: Members) -> JSONValue {
            .object(JSONObject(members + [("rope_type", .string(type))]))
        }
        switch configuration.rotary.scaling {
        case .none: return .null
        case .linear(let factor): return object("linear", [("factor", .number(factor))])
        case .dynamic(let scaling): return object("dynamic", [("factor", .number(scaling.factor))])
        case .llama3(let scaling):
            return object(
                "llama3",
                [
                    ("factor", .number(scaling.factor)),
                    ("high_freq_factor", .number(scaling.highFrequencyFactor)),
                    ("low_freq_factor", .number(scaling.lowFrequencyFactor)),
                    ("original_max_position_embeddings", .integer(scaling.originalMaximumPositions)),
                ])
        case .yarn(let scaling):
            return object(
                "yarn",
                [
                    ("attention_factor", Self.shortest(scaling.attentionFactor)),
                    ("beta_fast", .number(scaling.fastTurns)),
                    ("beta_slow", .number(scaling.slowTurns)),
                    ("factor", .number(scaling.factor)),
                    ("original_max_position_embeddings", .integer(scaling.originalMaximumPositions)),
                    ("truncate", .bool(scaling.truncatesBounds)),
                ])
        case .longrope(let scaling):
            return object(
                "longrope",
                [
                    ("attention_factor", Self.shortest(scaling.attentionFactor)),
                    ("long_factor", .array(scaling.longDivisors.map(Self.shortest))),
                    ("original_max_position_embeddings", .integer(scaling.originalMaximumPositions)),
                    ("short_factor", .array(scaling.shortDivisors.map(Self.shortest))),
                ])
        case .divisors:
            throw InputError(
                "\(path) tensor \(GGUFKeys.rotaryDivisors)",
                "these frequency factors are not those of a published Llama 3, so config.json cannot express them"
            )
        }
    }
}
