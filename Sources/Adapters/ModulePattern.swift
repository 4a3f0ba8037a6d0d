// Regular expressions over module names, as adapter files and users give them.

import FileSupport

/// A pattern for module names. Patterns come with untrusted adapter files, so those that could run for ages are refused.
struct ModulePattern {
    private let regex: Regex<AnyRegexOutput>

    enum Anchoring {
        /// The pattern must match the whole name.
        case wholeName
        /// The pattern must match the whole name or what follows one of its dots.
        case nameOrSuffix
    }

    private static let longest = 1000

    init(_ pattern: String, _ anchoring: Anchoring, location: String) throws(InputError) {
        guard pattern.utf8.count <= Self.longest else {
            throw InputError(location, "the pattern is longer than \(Self.longest) bytes")
        }
        guard !Self.nestsRepetitions(pattern) else {
            throw InputError(
                location, "the pattern \"\(pattern)\" repeats a group that repeats something itself",
                advice: "Matching it could take forever; write it without a repetition inside another.")
        }
        do {
            regex =
                switch anchoring {
                case .wholeName: try Regex(pattern)
                case .nameOrSuffix: try Regex("(?:.*\\.)?(?:\(pattern))")
                }
        } catch {
            throw InputError(location, "\"\(pattern)\" is not a regular expression: \(error)")
        }
    }

    func matches(_ name: String) -> Bool { (try? regex.wholeMatch(in: name)) != nil }

    /// Whether an unbounded repetition applies to a group that holds one: the shape behind exponential backtracking.
    static func nestsRepetitions(_ pattern: String) -> Bool {
        var groupRepeats = [false]
        var closedGroupRepeats = false
        var isEscaped = false
        var inClass = false
        for character in pattern.unicodeScalars {
            let closed = closedGroupRepeats
            closedGroupRepeats = false
            if isEscaped {
                isEscaped = false
                continue
            }
            switch character {
            case "\\": isEscaped = true
            case "[": inClass = true
            case "]": inClass = false
            case _ where inClass: break
            case "(": groupRepeats.append(false)
            case ")":
                guard groupRepeats.count > 1, let inner = groupRepeats.popLast() else { continue }
                closedGroupRepeats = inner
                if inner { groupRepeats[groupRepeats.count - 1] = true }
            case "*", "+", "{":
                if closed { return true }
                groupRepeats[groupRepeats.count - 1] = true
            default: break
            }
        }
        return false
    }
}
