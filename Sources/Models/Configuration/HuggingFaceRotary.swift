// Rotary settings from config.json, in the nested form of transformers 5 and the older ones.

import FileSupport

extension RotaryConfiguration {
    /// Of families whose layers differ, those without a window.
    init(
        _ fields: ConfigurationFields, _ family: Family, headWidth: Int, maximumPositions: Int
    ) throws(InputError) {
        var parameters = try Self.parameters(fields)
        if family.windowedTheta != nil, let perLayerType = parameters, perLayerType.has("full_attention") {
            parameters = try perLayerType.fields("full_attention")
        }
        let theta = try fields.number("rope_theta", in: Self.thetaRange, default: family.defaults.theta)
        try self.init(
            parameters, outer: fields, family, theta: theta, headWidth: headWidth,
            maximumPositions: maximumPositions)
    }

    /// nil in families that rotate alike in all layers. `rope_local_base_freq` before transformers 5; never scaled then.
    init?(
        ofWindowedLayers fields: ConfigurationFields, _ family: Family, headWidth: Int, maximumPositions: Int
    ) throws(InputError) {
        guard let familyTheta = family.windowedTheta else { return nil }
        let parameters = try fields.fields("rope_parameters")?.fields("sliding_attention")
        let theta = try fields.number("rope_local_base_freq", in: Self.thetaRange, default: familyTheta)
        try self.init(
            parameters, outer: fields, family, theta: theta, headWidth: headWidth,
            maximumPositions: maximumPositions)
        switch scaling {
        case .dynamic, .longrope:
            throw InputError(
                "\(parameters?.location ?? fields.location) rope_type",
                "scaling by the length of a sequence is not supported in layers with a window")
        default: break
        }
    }

    /// `rope_scaling` before transformers 5, which still prefers it, else `rope_parameters`; {} counts as absent.
    private static func parameters(_ fields: ConfigurationFields) throws(InputError) -> ConfigurationFields? {
        if let older = try fields.fields("rope_scaling"), older.object.count > 0 { return older }
        return try fields.fields("rope_parameters")
    }

    private static let thetaRange = 1.0...1e12
    private static let factorRange = 1e-3...1e6
    /// Also what `attention_factor` and its kin may be.
    private static let weightRange = 0.0...1e3
    private static let originalPositionsKey = "original_max_position_embeddings"

    /// - Parameters:
    ///   - outer: the configuration around the parameters.
    ///   - outerTheta: the base unless the parameters hold one.
    private init(
        _ parameters: ConfigurationFields?, outer: ConfigurationFields, _ family: Family,
        theta outerTheta: Double, headWidth: Int, maximumPositions: Int
    ) throws(InputError) {
        theta = try parameters?.number("rope_theta", in: Self.thetaRange, default: outerTheta) ?? outerTheta
        width = try Self.width(parameters, outer, family, headWidth: headWidth)
        scaling = .none
        guard let parameters else { return }
        // Phi-3 keeps the original length outside, where it counts for more than inside.
        var originalPositions = try parameters.integer(
            Self.originalPositionsKey, in: 1...LargestSize.positions, default: maximumPositions)
        if let usual = family.originalPositions {
            originalPositions = try outer.integer(
                Self.originalPositionsKey, in: 1...LargestSize.positions, default: usual)
        }
        scaling = try Self.scaling(
            parameters, family, theta: theta, width: width, maximumPositions: maximumPositions,
            originalPositions: originalPositions)
    }

    /// How many channels of a head are rotated.
    private static func width(
        _ parameters: ConfigurationFields?, _ outer: ConfigurationFields, _ family: Family, headWidth: Int
    ) throws(InputError) -> Int {
        let key = "partial_rotary_factor"
        let outside = try outer.number(key, in: 0...1, default: 1)
        let factor = try parameters?.number(key, in: 0...1, default: outside) ?? outside
        if factor == 1 { return headWidth }
        let location = parameters?.has(key) == true ? parameters?.location : outer.location
        let width = Int(Double(headWidth) * factor)
        guard family.rotatesPartly else {
            throw InputError(
                "\(location ?? "") \(key)",
                "partly rotated heads are not supported in the family \(family.modelType)")
        }
        guard width >= 2, width.isMultiple(of: 2) else {
            throw InputError(
                "\(location ?? "") \(key)", expected: "a share of \(headWidth) that is even and not 0",
                found: "\(factor), which is \(width)")
        }
        return width
    }

    private static func scaling(
        _ parameters: ConfigurationFields, _ family: Family, theta: Double, width: Int,
        maximumPositions: Int, originalPositions: Int
    ) throws(InputError) -> Scaling {
        let typeKey = parameters.has("rope_type") ? "rope_type" : "type"
        let type = try parameters.string(typeKey, default: "default")
        // Early Phi-3 files use both words for what is now longrope.
        let isOldLongRope = type == "su" || type == "yarn" && family.originalPositions != nil
        switch isOldLongRope ? "longrope" : type {
        case "default": return .none
        case "linear": return .linear(factor: try parameters.number("factor", in: factorRange))
        case "dynamic":
            return .dynamic(
                DynamicScaling(
                    factor: try parameters.number("factor", in: factorRange),
                    maximumPositions: maximumPositions))
        case "llama3": return .llama3(try llama3(parameters, originalPositions))
        case "yarn":
            guard theta > 1 else {
                throw InputError(
                    "\(parameters.location) rope_theta", expected: "more than 1", found: "\(theta)")
            }
            return .yarn(try yarn(parameters, originalPositions, maximumPositions: maximumPositions))
        case "longrope":
            return .longrope(
                try longrope(parameters, originalPositions, width: width, maximumPositions: maximumPositions))
        default:
            throw InputError(
                "\(parameters.location) \(typeKey)",
                "the rope scaling \"\(type.prefix(40))\" is not supported",
                advice: "Supported: \(supportedTypes.joined(separator: ", ")).")
        }
    }

    private static func llama3(
        _ parameters: ConfigurationFields, _ originalPositions: Int
    ) throws(InputError) -> Llama3Scaling {
        let low = try parameters.number("low_freq_factor", in: factorRange)
        let high = try parameters.number("high_freq_factor", in: factorRange)
        guard high > low else {
            throw InputError(
                "\(parameters.location) high_freq_factor", expected: "more than low_freq_factor (\(low))",
                found: "\(high)")
        }
        return Llama3Scaling(
            factor: try parameters.number("factor", in: factorRange), lowFrequencyFactor: low,
            highFrequencyFactor: high, originalMaximumPositions: originalPositions)
    }

    private static func yarn(
        _ parameters: ConfigurationFields, _ originalPositions: Int, maximumPositions: Int
    ) throws(InputError) -> YarnScaling {
        let factor = try parameters.number(
            "factor", in: factorRange, default: Double(maximumPositions) / Double(originalPositions))
        let usual = YarnScaling.attentionFactor(
            factor: factor, weight: try parameters.number("mscale", in: weightRange, default: 0),
            weightOfAll: try parameters.number("mscale_all_dim", in: weightRange, default: 0))
        // Zero means the usual value, too.
        let fast = try parameters.number("beta_fast", in: weightRange, default: 0)
        let slow = try parameters.number("beta_slow", in: weightRange, default: 0)
        return YarnScaling(
            factor: factor, originalMaximumPositions: originalPositions, fastTurns: fast == 0 ? 32 : fast,
            slowTurns: slow == 0 ? 1 : slow,
            truncatesBounds: try parameters.bool("truncate", default: true),
            attentionFactor: Float(
                try parameters.number("attention_factor", in: weightRange, default: Double(usual))))
    }

    private static func longrope(
        _ parameters: ConfigurationFields, _ originalPositions: Int, width: Int, maximumPositions: Int
    ) throws(InputError) -> LongRopeScaling {
        func divisors(_ key: String) throws(InputError) -> [Float] {
            let numbers = parameters.value(key)?.arrayValue?.map(\.doubleValue)
            var divisors: [Float] = []
            for case .some(let number) in numbers ?? [] where factorRange.contains(number) {
                divisors.append(Float(number))
            }
            guard divisors.count == width / 2, numbers?.count == divisors.count else {
                throw InputError(
                    "\(parameters.location) \(key)",
                    expected:
                        "\(width / 2) numbers from \(factorRange.lowerBound) to \(factorRange.upperBound)",
                    found: (parameters.value(key)?.serialized().prefix(60)).map(String.init) ?? "nothing")
            }
            return divisors
        }
        let factor = try parameters.number(
            "factor", in: factorRange, default: Double(maximumPositions) / Double(originalPositions))
        let usual = LongRopeScaling.attentionFactor(
            factor: factor, originalMaximumPositions: originalPositions)
        return LongRopeScaling(
            shortDivisors: try divisors("short_factor"), longDivisors: try divisors("long_factor"),
            originalMaximumPositions: originalPositions,
            attentionFactor: Float(
                try parameters.number("attention_factor", in: weightRange, default: Double(usual))))
    }
}
