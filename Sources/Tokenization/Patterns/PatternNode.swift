// The tree of a regular expression, and what can be said of it before it runs.

indirect enum PatternNode: Equatable, Sendable {
    case empty
    /// One character of a set.
    case set(CodePointSet)
    case sequence([PatternNode])
    /// The first that matches, in order.
    case alternatives([PatternNode])
    /// `maximum` is nil where there is none.
    case repeated(PatternNode, minimum: Int, maximum: Int?, RepeatKind)
    /// Once matched, never matched in another way.
    case atomic(PatternNode)
    case lookAhead(PatternNode, isNegative: Bool)
    /// What is looked for has always the same number of characters.
    case lookBehind(PatternNode, isNegative: Bool, length: Int)
    case assertion(Assertion)

    enum RepeatKind: Sendable { case greedy, lazy, possessive }

    enum Assertion: Int, Sendable {
        /// `\A`
        case startOfText
        /// `\z`
        case endOfText
        /// `\Z`
        case endOfTextOrLastLine
        /// `^`
        case startOfLine
        /// `$`
        case endOfLine
        /// `\b`
        case wordBoundary
        /// `\B`
        case noWordBoundary
    }

    /// Whether it can match without taking a character.
    var isNullable: Bool {
        switch self {
        case .empty, .lookAhead, .lookBehind, .assertion: true
        case .set: false
        case .sequence(let parts): parts.allSatisfy(\.isNullable)
        case .alternatives(let choices): choices.contains(where: \.isNullable)
        case .repeated(let body, let minimum, _, _): minimum == 0 || body.isNullable
        case .atomic(let body): body.isNullable
        }
    }

    /// The characters that a match that takes any can start with. It may hold too many, never too few.
    var firstCharacters: CodePointSet {
        switch self {
        case .empty, .lookAhead, .lookBehind, .assertion: return CodePointSet([])
        case .set(let set): return set
        case .sequence(let parts):
            var first = CodePointSet([])
            for part in parts {
                first = first.union(part.firstCharacters)
                if !part.isNullable { break }
            }
            return first
        case .alternatives(let choices):
            return choices.reduce(CodePointSet([])) { $0.union($1.firstCharacters) }
        case .repeated(let body, _, let maximum, _):
            return maximum == 0 ? CodePointSet([]) : body.firstCharacters
        case .atomic(let body): return body.firstCharacters
        }
    }

    /// How many characters a match has, where that is always the same.
    var fixedLength: Int? {
        switch self {
        case .empty, .lookAhead, .lookBehind, .assertion: return 0
        case .set: return 1
        case .sequence(let parts):
            var length = 0
            for part in parts {
                guard let partLength = part.fixedLength else { return nil }
                length += partLength
            }
            return length
        case .alternatives(let choices):
            let lengths = Set(choices.map(\.fixedLength))
            return lengths.count == 1 ? lengths.first ?? nil : nil
        case .repeated(let body, let minimum, let maximum, _):
            guard minimum == maximum, let length = body.fixedLength else { return nil }
            let (product, overflow) = length.multipliedReportingOverflow(by: minimum)
            return overflow ? nil : product
        case .atomic(let body): return body.fixedLength
        }
    }
}
