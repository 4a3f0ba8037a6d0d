// Walks the pieces that a chain of splitters makes of a text, without making lists of them.

/// Steps that only split, each working on the pieces of the step before.
struct PieceCursor {
    private let scanner: TextScanner
    private let steps: [PreTokenizer.Step]
    /// `limits[k]` is the end of the current piece of the first k steps; `limits[0]` is the end of the text.
    private var limits: [Int]
    /// `starts[k]` is where that piece starts: for a pattern nothing lies before.
    private var starts: [Int]
    /// A match that ended the piece before it, by step.
    private var foundMatches: [Range<Int>?]
    /// One for each step that is a `split`; nil for others.
    private var matchers: [PatternMatcher?]
    private(set) var position: Int

    init(
        scanner: TextScanner, range: Range<Int>, steps: [PreTokenizer.Step], matchers: [PatternMatcher?]
    ) {
        precondition(matchers.count == steps.count, "\(matchers.count) matchers for \(steps.count) steps")
        self.scanner = scanner
        self.steps = steps
        self.matchers = matchers
        position = range.lowerBound
        limits = [Int](repeating: range.lowerBound, count: steps.count + 1)
        starts = limits
        limits[0] = range.upperBound
        foundMatches = [Range<Int>?](repeating: nil, count: steps.count)
    }

    static func matchers(for steps: [PreTokenizer.Step]) -> [PatternMatcher?] {
        steps.map { step in
            if case .split(let pattern) = step { PatternMatcher(pattern.program) } else { nil }
        }
    }

    /// The matchers, for the next text. The cursor is of no use after that.
    mutating func takeMatchers() -> [PatternMatcher?] {
        defer { matchers = [] }
        return matchers
    }

    /// The next piece, or nil at the end of the text.
    mutating func next() -> Range<Int>? {
        nextPiece: while position < limits[0] {
            let start = position
            for level in steps.indices where start >= limits[level + 1] {
                let limit = limits[level]
                var isRemoved = false
                starts[level + 1] = start
                switch steps[level] {
                case .digits(let individually):
                    limits[level + 1] = scanner.endOfDigitsPiece(
                        from: start, limit: limit, individually: individually)
                case .gpt2Words:
                    limits[level + 1] = scanner.endOfGPT2Word(from: start, limit: limit)
                case .llama3Words(let longestNumber):
                    limits[level + 1] = scanner.endOfLlama3Word(
                        from: start, limit: limit, longestNumber: longestNumber)
                case .split(let pattern):
                    (limits[level + 1], isRemoved) = endOfSplitPiece(pattern, level: level, from: start)
                case .prefixSpace, .metaspace:
                    preconditionFailure("a step that changes the text among those that split it")
                }
                if isRemoved {
                    position = limits[level + 1]
                    for deeper in (level + 1)..<limits.count { limits[deeper] = position }
                    continue nextPiece
                }
            }
            position = limits[steps.count]
            return start..<position
        }
        return nil
    }

    private mutating func endOfSplitPiece(
        _ pattern: SplitPattern, level: Int, from start: Int
    ) -> (end: Int, isRemoved: Bool) {
        let limit = limits[level]
        let segment = nextSegment(level, from: start)
        let isMatch = segment.isMatch != pattern.isInverted
        func isFollowed(by kind: Bool, from end: Int) -> Int? {
            guard end < limit else { return nil }
            let following = nextSegment(level, from: end)
            return (following.isMatch != pattern.isInverted) == kind ? following.end : nil
        }
        switch pattern.behavior {
        case .isolated:
            return (segment.end, false)
        case .removed:
            return (segment.end, isMatch)
        case .mergedWithPrevious:
            return (isMatch ? segment.end : isFollowed(by: true, from: segment.end) ?? segment.end, false)
        case .mergedWithNext:
            return (isMatch ? isFollowed(by: false, from: segment.end) ?? segment.end : segment.end, false)
        case .contiguous:
            var end = segment.end
            while let further = isFollowed(by: isMatch, from: end) { end = further }
            return (end, false)
        }
    }

    /// The match at `start`, or what lies before the next one. Empty matches only divide what lies between matches.
    private mutating func nextSegment(_ level: Int, from start: Int) -> (end: Int, isMatch: Bool) {
        let piece = starts[level]..<limits[level]
        var from = start
        while from < piece.upperBound {
            if foundMatches[level]?.lowerBound != from {
                foundMatches[level] = matchers[level]?.firstMatch(in: scanner.bytes, piece: piece, from: from)
            }
            guard let match = foundMatches[level], match.lowerBound < piece.upperBound else {
                foundMatches[level] = nil
                break
            }
            if match.lowerBound > start { return (match.lowerBound, false) }
            if !match.isEmpty { return (match.upperBound, true) }
            from += decodeScalar(scanner.bytes, at: from, end: piece.upperBound).length
        }
        return (piece.upperBound, false)
    }
}
