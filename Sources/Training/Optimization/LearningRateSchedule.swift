// The learning rate of every step, with the values of transformers' get_*_schedule_with_warmup.

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// A learning rate for every step of a run: warm-up from 0, then constant, linear or cosine.
public struct LearningRateSchedule: Equatable, Sendable {
    /// The shape after warm-up.
    public enum Kind: String, ConfigurationChoice {
        /// Stays at the base rate.
        case constant
        /// Falls in a straight line.
        case linear
        /// Falls along half a cosine.
        case cosine
    }

    /// The shape after warm-up.
    public let kind: Kind
    /// The rate at the end of warm-up.
    public let base: Double
    /// Steps before the base rate is reached; the first of them has rate 0.
    public let warmupSteps: Int
    /// All steps of the run.
    public let totalSteps: Int
    /// Where linear and cosine end, as a share of the base rate.
    public let minimumRatio: Double

    /// - Precondition: `totalSteps` and `warmupSteps` are not negative.
    public init(kind: Kind, base: Double, warmupSteps: Int, totalSteps: Int, minimumRatio: Double = 0) {
        precondition(
            warmupSteps >= 0 && totalSteps >= 0, "schedule: \(warmupSteps) of \(totalSteps) steps warm up")
        self.kind = kind
        self.base = base
        self.warmupSteps = warmupSteps
        self.totalSteps = totalSteps
        self.minimumRatio = minimumRatio
    }

    /// The schedule of a configuration. A warm-up ratio is rounded up to whole steps, as transformers does.
    public init(_ configuration: TrainingConfiguration, totalSteps: Int) {
        let section = configuration.schedule
        let share = (section.warmupRatio * Double(totalSteps)).rounded(.up)
        self.init(
            kind: section.kind, base: configuration.optimizer.learningRate,
            warmupSteps: section.warmupSteps ?? Int(share), totalSteps: totalSteps,
            minimumRatio: section.minimumRatio)
    }

    /// The rate of the update that follows `completedSteps` others.
    public func rate(completedSteps: Int) -> Double { base * factor(completedSteps: completedSteps) }

    private func factor(completedSteps: Int) -> Double {
        if completedSteps < warmupSteps { return Double(completedSteps) / Double(warmupSteps) }
        let length = Double(max(1, totalSteps - warmupSteps))
        let progress = Double(completedSteps - warmupSteps) / length
        let fall =
            switch kind {
            case .constant: 1.0
            case .linear: max(0, 1 - progress)
            case .cosine: max(0, 0.5 * (1 + cos(.pi * progress)))
            }
        return kind == .constant ? 1 : minimumRatio + (1 - minimumRatio) * fall
    }
}
