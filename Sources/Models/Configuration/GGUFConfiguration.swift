// A decoder's configuration from GGUF metadata, completed by what only the tensors tell.

import Checkpoints
import FileSupport
import TensorEngine

extension DecoderConfiguration {
    /// - Throws: `InputError` naming the metadata key for anything missing, out of range or not supported.
    init(_ file: GGUFFile, family: Family) throws(InputError) {
        let keys = GGUFKeys(metadata: file.metadata, prefix: family.ggufArchitecture)
        if try keys.integer("expert_count", in: 0...LargestSize.heads, default: 0) > 0 {
            throw keys.unsupported("expert_count", "mixtures of experts are not supported")
        }
        width = try keys.integer("embedding_length", in: 1...LargestSize.width)
        vocabularySize = try Self.vocabularySize(file, keys, width: width)
        feedForwardWidth = try keys.integer("feed_forward_length", in: 1...LargestSize.feedForwardWidth)
        layerCount = try keys.integer("block_count", in: 1...LargestSize.layers)
        headCount = try keys.integer("attention.head_count", in: 1...LargestSize.heads)
        keyValueHeadCount = try keys.integer(
            "attention.head_count_kv", in: 1...headCount, default: headCount)
        if !keys.has("attention.key_length"), family.defaults.headWidth == nil,
            !width.isMultiple(of: headCount)
        {
            throw InputError(
                keys.location("attention.head_count"), expected: "a divisor of embedding_length (\(width))",
                found: "\(headCount)")
        }
        headWidth = try keys.integer(
            "attention.key_length", in: 2...LargestSize.headWidth,
            default: family.defaults.headWidth ?? max(2, width / headCount))
        guard
            try keys.integer("attention.value_length", in: 1...LargestSize.headWidth, default: headWidth)
                == headWidth
        else {
            throw keys.unsupported(
                "attention.value_length", "values of another width than keys are not supported")
        }
        maximumPositions = try keys.integer("context_length", in: 1...LargestSize.positions)
        normEpsilon = Float(try keys.number("attention.layer_norm_rms_epsilon", in: 0...1))
        activation = family.defaults.activation
        rotary = try RotaryConfiguration(
            file, keys, family, headWidth: headWidth, maximumPositions: maximumPositions)
        if let familyTheta = family.windowedTheta {
            let theta = try keys.number("rope.freq_base_swa", in: 1...1e12, default: familyTheta)
            windowedRotary = RotaryConfiguration(theta: theta, width: headWidth)
        }
        tiesEmbeddings = !file.contains("output.weight")
        hasQueryKeyValueBias = file.contains("blk.0.attn_q.bias")
        hasOutputBias = file.contains("blk.0.attn_output.bias")
        hasFeedForwardBias = file.contains("blk.0.ffn_gate.bias")
        // GGUF files do not say which layers rotate.
        if let interval = family.unrotatedInterval {
            unrotatedLayers = Family.lastOfEvery(interval, layerCount: layerCount)
        }
        windows = try family.windows.windows(keys, layerCount: layerCount)
        var queryScalar = headWidth
        if case .configured(let exceptions) = family.queryScale, exceptions.contains(layerCount) {
            queryScalar = max(1, width / headCount)
        }
        queryScale = Float(
            try keys.number(
                "attention.scale", in: 1e-6...1e6, default: Double(1 / Float(queryScalar).squareRoot())))
        if let cap = family.attentionSoftcap {
            attentionSoftcap = Float(
                try keys.number("attn_logit_softcapping", in: 0...1e6, default: Double(cap)))
        }
        if let cap = family.logitSoftcap {
            logitSoftcap = Float(
                try keys.number("final_logit_softcapping", in: 0...1e6, default: Double(cap)))
        }
        if family.hasMultipliers {
            func multiplier(_ key: String) throws(InputError) -> Float {
                // Converters leave out zeros, and readers take zero for 1.
                let value = try keys.number(key, in: 0...LargestSize.multiplier, default: 1)
                return value == 0 ? 1 : Float(value)
            }
            embeddingScale = try multiplier("embedding_scale")
            residualScale = try multiplier("residual_scale")
            logitDivisor = try multiplier("logit_scale")
        }
        applyTraits(of: family)
        try checkConsistency(
            location: "\(file.path) metadata", heads: "\(keys.prefix).attention.head_count",
            keyValueHeads: "\(keys.prefix).attention.head_count_kv",
            headWidth: "\(keys.prefix).attention.key_length")
    }

    /// The embedding table tells it; the metadata key is optional and must agree.
    private static func vocabularySize(
        _ file: GGUFFile, _ keys: GGUFKeys, width: Int
    ) throws(InputError) -> Int {
        let table = try file.tensor(named: "token_embd.weight")
        guard table.shape.count == 2, (1...LargestSize.vocabulary).contains(table.shape[0]) else {
            throw InputError(
                table.location, expected: "a table of [vocabulary, \(width)]", found: "\(table.shape)")
        }
        let size = table.shape[0]
        let claimed = try keys.integer("vocab_size", in: 1...LargestSize.vocabulary, default: size)
        guard claimed == size else {
            throw InputError(
                keys.location("vocab_size"), expected: "\(size), the rows of token_embd.weight",
                found: "\(claimed)")
        }
        return size
    }
}

/// Metadata of one architecture: keys with its prefix.
struct GGUFKeys {
    let metadata: GGUFMetadata
    let prefix: String

    /// The tensor with Llama 3's frequency divisors.
    static let rotaryDivisors = "rope_freqs.weight"
    /// Those with LongRoPE's.
    static let shortRotaryDivisors = "rope_factors_short.weight"
    static let longRotaryDivisors = "rope_factors_long.weight"

    func has(_ key: String) -> Bool { metadata["\(prefix).\(key)"] != nil }
    func location(_ key: String) -> String { "\(metadata.path) metadata \(prefix).\(key)" }

    func unsupported(_ key: String, _ problem: String, advice: String? = nil) -> InputError {
        InputError(location(key), problem, advice: advice)
    }

    func integer(
        _ key: String, in range: ClosedRange<Int>, default fallback: Int? = nil
    ) throws(InputError) -> Int {
        if let fallback, !has(key) { return fallback }
        let value = try metadata.integer("\(prefix).\(key)")
        guard range.contains(value) else {
            throw InputError(
                location(key), expected: "a whole number from \(range.lowerBound) to \(range.upperBound)",
                found: "\(value)")
        }
        return value
    }

    func number(
        _ key: String, in range: ClosedRange<Double>, default fallback: Double? = nil
    ) throws(InputError) -> Double {
        if let fallback, !has(key) { return fallback }
        let value = try metadata.number("\(prefix).\(key)")
        guard range.contains(value) else {
            throw InputError(
                location(key), expected: "a number from \(range.lowerBound) to \(range.upperBound)",
                found: "\(value)")
        }
        return value
    }

    /// A list of flags; nil where the key is absent or no list.
    func flags(_ key: String, count: Int) throws(InputError) -> [Bool]? {
        guard let list = metadata["\(prefix).\(key)"]?.arrayValue else { return nil }
        guard list.count == count else {
            throw InputError(location(key), expected: "a list of \(count) flags", found: "\(list.count)")
        }
        var flags: [Bool] = []
        for value in try list.elements() {
            guard let flag = value.boolValue else {
                throw InputError(location(key), expected: "true or false", found: value.kindName)
            }
            flags.append(flag)
        }
        return flags
    }

    func string(_ key: String, default fallback: String) throws(InputError) -> String {
        has(key) ? try metadata.string("\(prefix).\(key)") : fallback
    }
}
