// The one error type for bad input: files, configuration, data and arguments that the user can correct.

/// Something the user gave us is wrong. Says what, where, what was expected and what to do next.
///
/// Broken invariants of our own code are `precondition`s, never this error.
public struct InputError: Error, Equatable, Sendable, CustomStringConvertible {
    /// Where: a path, with line or key or tensor when there is one, e.g. `train.jsonl line 12`.
    public var location: String
    /// What is wrong there, in one sentence without a final full stop.
    public var problem: String
    /// What the user can do about it, in one sentence; nil when `problem` makes it obvious.
    public var advice: String?

    /// A problem in its own words.
    public init(_ location: String, _ problem: String, advice: String? = nil) {
        self.location = location
        self.problem = problem
        self.advice = advice
    }

    /// "expected X, found Y", the commonest form.
    public init(_ location: String, expected: String, found: String, advice: String? = nil) {
        self.init(location, "expected \(expected), found \(found)", advice: advice)
    }

    /// `location: problem. advice`
    public var description: String {
        advice.map { "\(location): \(problem). \($0)" } ?? "\(location): \(problem)"
    }
}
