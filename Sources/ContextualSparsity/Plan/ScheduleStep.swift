// A point in a run's steps: a fraction of them or a step's number.

/// When sparsity starts or ends.
///
/// One number stands for both forms, as in the published configurations: up to 1 it is a fraction of the
/// run's steps, above 1 it is a step.
public struct ScheduleStep: Equatable, Sendable {
    /// The number as it is written, finite and not negative.
    public let value: Double

    /// A fraction of the steps (`0...1`) or a step's number (above 1).
    ///
    /// - Precondition: `value` is finite and at least 0.
    public init(_ value: Double) {
        precondition(value.isFinite && value >= 0, "a schedule's step is finite and not negative")
        self.value = value
    }

    /// The first step, counted from 0, that lies at or after this point of a run of `total` steps.
    public func step(of total: Int) -> Int {
        // Products of decimal fractions may lie a hair above a whole number: 0.07 of 100 is 7.000000000000001.
        let step = (value <= 1 ? value * Double(total) - 1e-9 : value).rounded(.up)
        return step >= Double(Int.max) ? Int.max : max(0, Int(step))
    }
}
