// Rotary position embedding: base, width and the ways in which published models stretch it to longer sequences.

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// Which angle a position gets in each pair of channels.
package struct RotaryConfiguration: Equatable, Sendable {
    /// The base; pair i of w rotated channels turns by position * theta^(-2i / w) before scaling.
    package var theta: Double
    /// Channels of a head that are rotated.
    package var width: Int
    package var scaling: Scaling

    package init(theta: Double, width: Int, scaling: Scaling = .none) {
        self.theta = theta
        self.width = width
        self.scaling = scaling
    }

    package enum Scaling: Equatable, Sendable {
        case none
        /// Positions divided by a factor (arXiv 2306.15595).
        case linear(factor: Double)
        /// A base that grows with sequences longer than the model was made for.
        case dynamic(DynamicScaling)
        /// Llama 3.1: low frequencies divided by a factor, high ones kept, those between interpolated.
        case llama3(Llama3Scaling)
        /// The same by another ramp, with attention scaled (arXiv 2309.00071).
        case yarn(YarnScaling)
        /// Each frequency divided by its own factor, one set for short sequences and one for long (arXiv 2402.13753).
        case longrope(LongRopeScaling)
        /// Each frequency divided by its own factor, as GGUF files store it.
        case divisors([Float])
    }

    /// The `rope_type` values that this version computes.
    static let supportedTypes = ["default", "linear", "dynamic", "yarn", "longrope", "llama3"]

    /// Multiplies every cosine and sine, so attention scores by its square.
    package var attentionFactor: Float {
        switch scaling {
        case .yarn(let scaling): scaling.attentionFactor
        case .longrope(let scaling): scaling.attentionFactor
        default: 1
        }
    }

    /// Radians per position for each pair of sequences no longer than the model was made for.
    package var frequencies: [Double] { frequencies(length: 0) }

    /// The same for a sequence, in double precision.
    ///
    /// - Parameter length: from `frequencyLength(ofSequence:)`.
    func frequencies(length: Int) -> [Double] {
        let base = (0..<width / 2).map { pow(theta, -2 * Double($0) / Double(width)) }
        switch scaling {
        case .none: return base
        case .linear(let factor): return base.map { $0 / factor }
        case .dynamic(let scaling):
            let grown = theta * scaling.growth(length: length, width: width)
            return (0..<width / 2).map { pow(grown, -2 * Double($0) / Double(width)) }
        case .llama3(let scaling): return base.map { $0 / scaling.divisor(ofFrequency: $0) }
        case .yarn(let scaling): return scaling.frequencies(base, theta: theta, width: width)
        case .longrope(let scaling):
            let divisors = length > 0 ? scaling.longDivisors : scaling.shortDivisors
            return zip(base, divisors).map { $0 / Double($1) }
        case .divisors(let divisors): return zip(base, divisors).map { $0 / Double($1) }
        }
    }

    /// What tells the frequencies of a sequence from those of others: 0 where its length does not matter.
    ///
    /// Each sequence is rotated by its own length, so that results do not depend on what else is in the batch.
    func frequencyLength(ofSequence length: Int) -> Int {
        switch scaling {
        case .dynamic(let scaling): length > scaling.maximumPositions ? length : 0
        // One set for all long sequences.
        case .longrope(let scaling): length > scaling.originalMaximumPositions ? 1 : 0
        default: 0
        }
    }

    /// Whether keys of a sequence that has grown to one length are those of a prompt of another length.
    ///
    /// With dynamic scaling, keys beyond the model's own length were rotated one by one, those of a prompt alike.
    func sharesKeys(ofSequence oldLength: Int, withPrompt newLength: Int) -> Bool {
        let kind = frequencyLength(ofSequence: newLength)
        guard frequencyLength(ofSequence: oldLength) == kind else { return false }
        if case .dynamic = scaling { return kind == 0 }
        return true
    }

    /// Whether keys that were rotated as part of a shorter sequence must be rotated anew.
    ///
    /// With dynamic scaling they keep their angles, as in transformers: they would change with every token.
    func changesCachedKeys(from oldLength: Int, to newLength: Int) -> Bool {
        guard case .longrope = scaling else { return false }
        return frequencyLength(ofSequence: oldLength) != frequencyLength(ofSequence: newLength)
    }
}

extension RotaryConfiguration {
    /// The published Llama 3 parameters whose divisors these are, so that a Hugging Face configuration can say so.
    func recognisingLlama3(_ divisors: [Float]) -> Scaling {
        let unscaled = RotaryConfiguration(theta: theta, width: width).frequencies
        for factor in [8.0, 32.0, 16.0, 4.0] {
            let candidate = Llama3Scaling(
                factor: factor, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalMaximumPositions: 8192)
            let agrees = zip(unscaled, divisors).allSatisfy { frequency, divisor in
                abs(candidate.divisor(ofFrequency: frequency) - Double(divisor)) <= 1e-4 * Double(divisor)
            }
            if agrees { return .llama3(candidate) }
        }
        return .divisors(divisors)
    }
}
