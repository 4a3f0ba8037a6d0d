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
    /// The base; pair i of a head of width w turns by position * theta^(-2i / w) before scaling.
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
        /// Llama 3.1: low frequencies divided by a factor, high ones kept, those between interpolated.
        case llama3(Llama3Scaling)
        /// Each frequency divided by its own factor, as GGUF files store it.
        case divisors([Float])
    }

    /// The `rope_type` values that this version computes.
    static let supportedTypes = ["default", "linear", "llama3"]

    /// Radians per position for each pair, in double precision.
    package var frequencies: [Double] {
        let base = (0..<width / 2).map { pow(theta, -2 * Double($0) / Double(width)) }
        switch scaling {
        case .none: return base
        case .linear(let factor): return base.map { $0 / factor }
        case .llama3(let scaling): return base.map { $0 / scaling.divisor(ofFrequency: $0) }
        case .divisors(let divisors): return zip(base, divisors).map { $0 / Double($1) }
        }
    }
}

/// The numbers of Llama 3.1's rope scaling.
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
