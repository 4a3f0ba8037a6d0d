// Rotary settings from GGUF metadata and the tensors of frequency divisors.

import Checkpoints
import FileSupport

extension RotaryConfiguration {
    init(
        _ file: GGUFFile, _ keys: GGUFKeys, _ family: Family, headWidth: Int, maximumPositions: Int
    ) throws(InputError) {
        theta = try keys.number("rope.freq_base", in: 1...1e12, default: family.defaults.theta)
        width = try keys.integer("rope.dimension_count", in: 2...headWidth, default: headWidth)
        guard width == headWidth || family.rotatesPartly else {
            throw keys.unsupported(
                "rope.dimension_count",
                "partly rotated heads are not supported in the family \(family.modelType)")
        }
        guard width.isMultiple(of: 2) else {
            throw InputError(
                keys.location("rope.dimension_count"), expected: "an even number of channels",
                found: "\(width)")
        }
        scaling = .none
        let originalPositions = try keys.integer(
            "rope.scaling.original_context_length", in: 1...LargestSize.positions,
            default: family.originalPositions ?? maximumPositions)
        switch try keys.string("rope.scaling.type", default: "none") {
        // LongRoPE is told by its tensors: earlier converters did not name it.
        case "none", "longrope": break
        case "linear": scaling = .linear(factor: try keys.number("rope.scaling.factor", in: Self.factorRange))
        case "yarn": scaling = .yarn(try Self.yarn(keys, originalPositions, theta: theta))
        case let type:
            throw keys.unsupported(
                "rope.scaling.type", "the rope scaling \"\(type.prefix(40))\" is not supported",
                advice: "Supported: none, linear, yarn, longrope, and Llama 3's rope_freqs.weight.")
        }
        if let divisors = try divisors(GGUFKeys.rotaryDivisors, in: file) {
            scaling = recognisingLlama3(divisors)
        }
        let short = try divisors(GGUFKeys.shortRotaryDivisors, in: file)
        let long = try divisors(GGUFKeys.longRotaryDivisors, in: file)
        guard short != nil || long != nil else { return }
        guard let short, let long else {
            throw InputError(
                file.path,
                "of \(GGUFKeys.shortRotaryDivisors) and \(GGUFKeys.longRotaryDivisors) only one is there")
        }
        let usual = LongRopeScaling.attentionFactor(
            factor: Double(maximumPositions) / Double(originalPositions),
            originalMaximumPositions: originalPositions)
        scaling = .longrope(
            LongRopeScaling(
                shortDivisors: short, longDivisors: long, originalMaximumPositions: originalPositions,
                attentionFactor: Float(
                    try keys.number(
                        "rope.scaling.attn_factor", in: Self.weightRange, default: Double(usual)))))
    }

    private static let factorRange = 1e-3...1e6
    private static let weightRange = 0.0...1e3

    /// The attention factor is stored as the configuration stated it; where it did not, it follows from the factor.
    private static func yarn(
        _ keys: GGUFKeys, _ originalPositions: Int, theta: Double
    ) throws(InputError) -> YarnScaling {
        guard theta > 1 else {
            throw InputError(keys.location("rope.freq_base"), expected: "more than 1", found: "\(theta)")
        }
        let factor = try keys.number("rope.scaling.factor", in: factorRange)
        let weightOfAll = try keys.number("rope.scaling.yarn_log_multiplier", in: weightRange, default: 0)
        let usual = YarnScaling.attentionFactor(factor: factor, weight: 1, weightOfAll: weightOfAll)
        let extrapolation = try keys.number("rope.scaling.yarn_ext_factor", in: weightRange, default: 1)
        guard extrapolation == 1 else {
            throw keys.unsupported(
                "rope.scaling.yarn_ext_factor", "an extrapolation factor other than 1 is not supported")
        }
        let older = try keys.number("rope.scaling.attn_factor", in: weightRange, default: Double(usual))
        return YarnScaling(
            factor: factor, originalMaximumPositions: originalPositions,
            fastTurns: try keys.number("rope.scaling.yarn_beta_fast", in: 1e-3...1e3, default: 32),
            slowTurns: try keys.number("rope.scaling.yarn_beta_slow", in: 1e-3...1e3, default: 1),
            attentionFactor: Float(
                try keys.number("rope.scaling.yarn_attn_factor", in: weightRange, default: older)))
    }

    /// A tensor of factors that frequencies are divided by; nil when the file has none.
    private func divisors(_ name: String, in file: GGUFFile) throws(InputError) -> [Float]? {
        guard file.contains(name) else { return nil }
        let stored = try file.tensor(named: name)
        try stored.require(shape: [width / 2])
        let divisors = try stored.float32Values()
        guard scaling == .none, divisors.allSatisfy({ $0.isFinite && $0 > 0 }) else {
            throw InputError(
                stored.location, expected: "positive finite factors and no other rope scaling",
                found: "others")
        }
        return divisors
    }
}
