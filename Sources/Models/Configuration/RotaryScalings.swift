// The numbers of each way to stretch rotary embedding, and what they do to frequencies.

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// Llama 3.1's.
package struct Llama3Scaling: Equatable, Sendable {
    package var factor: Double
    package var lowFrequencyFactor: Double
    package var highFrequencyFactor: Double
    package var originalMaximumPositions: Int

    /// What to divide a frequency by, from how its wavelength compares with the original context length.
    func divisor(ofFrequency frequency: Double) -> Double {
        let wavelength = 2 * Double.pi / frequency
        let context = Double(originalMaximumPositions)
        if wavelength < context / highFrequencyFactor { return 1 }
        if wavelength > context / lowFrequencyFactor { return factor }
        let smoothness =
            (context / wavelength - lowFrequencyFactor) / (highFrequencyFactor - lowFrequencyFactor)
        return 1 / ((1 - smoothness) / factor + smoothness)
    }
}

/// "Dynamic NTK".
package struct DynamicScaling: Equatable, Sendable {
    package var factor: Double
    package var maximumPositions: Int

    /// What the base is multiplied by for a sequence of this length; no sequence counts as shorter than the maximum.
    func growth(length: Int, width: Int) -> Double {
        guard width > 2 else { return 1 }
        let ratio = Double(max(length, maximumPositions)) / Double(maximumPositions)
        return pow(factor * ratio - (factor - 1), Double(width) / Double(width - 2))
    }
}

/// YaRN's.
package struct YarnScaling: Equatable, Sendable {
    package var factor: Double
    package var originalMaximumPositions: Int
    /// Channels that turn more often than this over the original context keep their frequency.
    package var fastTurns: Double = 32
    /// Channels that turn less often than this are divided by the factor.
    package var slowTurns: Double = 1
    /// The bounds between the two are whole channels.
    package var truncatesBounds = true
    package var attentionFactor: Float

    /// The attention factor of configurations that state none (equation 22, with DeepSeek's two weights).
    ///
    /// - Parameters:
    ///   - weight: `mscale`
    ///   - weightOfAll: `mscale_all_dim`
    static func attentionFactor(factor: Double, weight: Double = 0, weightOfAll: Double = 0) -> Float {
        func scale(_ weight: Double) -> Double { factor <= 1 ? 1 : 0.1 * weight * log(factor) + 1 }
        return Float(weight != 0 && weightOfAll != 0 ? scale(weight) / scale(weightOfAll) : scale(1))
    }

    func frequencies(_ base: [Double], theta: Double, width: Int) -> [Double] {
        func channel(ofTurns turns: Double) -> Double {
            Double(width) * log(Double(originalMaximumPositions) / (turns * 2 * .pi)) / (2 * log(theta))
        }
        var (low, high) = (channel(ofTurns: fastTurns), channel(ofTurns: slowTurns))
        if truncatesBounds { (low, high) = (low.rounded(.down), high.rounded(.up)) }
        low = max(low, 0)
        high = min(high, Double(width - 1))
        if low == high { high += 0.001 }
        return base.enumerated().map { index, frequency in
            let interpolated = min(max((Double(index) - low) / (high - low), 0), 1)
            return frequency / factor * interpolated + frequency * (1 - interpolated)
        }
    }
}

/// LongRoPE's.
package struct LongRopeScaling: Equatable, Sendable {
    /// Of sequences up to the original context length.
    package var shortDivisors: [Float]
    /// Of longer ones.
    package var longDivisors: [Float]
    package var originalMaximumPositions: Int
    package var attentionFactor: Float

    /// The attention factor of configurations that state none.
    ///
    /// - Parameter factor: how far the context is stretched.
    static func attentionFactor(factor: Double, originalMaximumPositions: Int) -> Float {
        guard factor > 1, originalMaximumPositions > 1 else { return 1 }
        return Float((1 + log(factor) / log(Double(originalMaximumPositions))).squareRoot())
    }
}
