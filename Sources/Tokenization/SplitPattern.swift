// A splitter by a pattern: what matches, what becomes of it, and the compiled form.

import FileSupport

/// The `Split` pre-tokenizer, and those that are one under another name.
struct SplitPattern: Equatable, Sendable {
    enum Source: Equatable, Sendable {
        case literal(String)
        case regularExpression(String)

        var isRegularExpression: Bool {
            if case .regularExpression = self { true } else { false }
        }
    }

    /// What becomes of a match. `tokenizer.json` spells these as they are called here.
    enum Behavior: String, Sendable {
        case removed = "Removed"
        case isolated = "Isolated"
        case mergedWithPrevious = "MergedWithPrevious"
        case mergedWithNext = "MergedWithNext"
        case contiguous = "Contiguous"
    }

    let source: Source
    let behavior: Behavior
    /// Whether what lies between the matches is taken for them.
    let isInverted: Bool
    let program: PatternProgram

    init(_ source: Source, _ behavior: Behavior, isInverted: Bool = false, location: String)
        throws(InputError)
    {
        self.source = source
        self.behavior = behavior
        self.isInverted = isInverted
        let pattern =
            switch source {
            case .literal(let text): Self.escaped(text)
            case .regularExpression(let pattern): pattern
            }
        program = try PatternProgram(pattern, location: location)
        guard program.startSet != nil || behavior == .isolated || behavior == .removed else {
            throw InputError(
                location,
                "the behavior \(behavior.rawValue) is not supported for a pattern that matches nothing",
                advice: "\(pattern.prefix(200)) can match an empty text")
        }
    }

    static func == (left: SplitPattern, right: SplitPattern) -> Bool {
        left.source == right.source && left.behavior == right.behavior && left.isInverted == right.isInverted
    }

    private static func escaped(_ text: String) -> String {
        text.unicodeScalars.map { "\\x{\(String($0.value, radix: 16))}" }.joined()
    }
}
