// A run that cannot go on although all its inputs were fine.

/// Training ran into numbers that are not finite.
public struct TrainingFailure: Error, Equatable, Sendable, CustomStringConvertible {
    /// The step that failed, from 1.
    public var step: Int
    /// What was not finite, in one sentence without a final full stop.
    public var problem: String
    /// Where the last good adapter was saved.
    public var savedAdapter: String

    /// The step, the problem, where the adapter is and what to try.
    public var description: String {
        "step \(step): \(problem). The adapter from before is in \(savedAdapter). Try a lower learning rate, "
            + "more warm-up steps, a smaller max_gradient_norm or compute_type float32"
    }
}
