// Parses the regular expressions of tokenizer.json files: Oniguruma's Ruby syntax, as far as such files use it.

import FileSupport

/// Turns a pattern into a tree, or says what in it is not supported.
///
/// What captures groups capture is of no use to a splitter, so groups only group and
/// references back to them are refused.
struct PatternParser {
    /// Deeper nesting and longer patterns are refused, which bounds recursion and work.
    static let deepestNesting = 50
    static let longestPattern = 20_000
    static let mostRepetitions = 1000

    private let pattern: String
    let location: String
    private let scalars: [Unicode.Scalar]
    private var position = 0
    private var depth = 0
    private var ignoresCase = false
    private var dotMatchesLineFeed = false

    static func parse(_ pattern: String, location: String) throws(InputError) -> PatternNode {
        guard pattern.utf8.count <= longestPattern else {
            throw InputError(
                location, expected: "a pattern of at most \(longestPattern) bytes",
                found: "\(pattern.utf8.count)")
        }
        var parser = PatternParser(pattern, location: location)
        if parser.take("(?i)") { parser.ignoresCase = true }
        let node = try parser.alternatives()
        guard parser.peek == nil else { throw parser.unsupported("an unmatched \")\"") }
        return node
    }

    private init(_ pattern: String, location: String) {
        self.pattern = pattern
        self.location = location
        scalars = Array(pattern.unicodeScalars)
    }

    // MARK: Reading

    var peek: Unicode.Scalar? { position < scalars.count ? scalars[position] : nil }

    mutating func next() -> Unicode.Scalar? {
        guard let scalar = peek else { return nil }
        position += 1
        return scalar
    }

    /// Takes `text` when it comes next.
    mutating func take(_ text: String) -> Bool {
        guard scalars[position...].starts(with: text.unicodeScalars) else { return false }
        position += text.unicodeScalars.count
        return true
    }

    func unsupported(_ what: String) -> InputError {
        InputError(
            location,
            "\(what) at character \(position) of the pattern \(pattern.prefix(300)) is not supported")
    }

    private mutating func nested<Result>(
        _ body: (inout PatternParser) throws(InputError) -> Result
    ) throws(InputError) -> Result {
        depth += 1
        guard depth <= Self.deepestNesting else {
            throw unsupported("nesting deeper than \(Self.deepestNesting)")
        }
        let result = try body(&self)
        depth -= 1
        return result
    }

    // MARK: Structure

    private mutating func alternatives() throws(InputError) -> PatternNode {
        var choices = [try sequence()]
        while take("|") { choices.append(try sequence()) }
        return choices.count == 1 ? choices[0] : .alternatives(choices)
    }

    private mutating func sequence() throws(InputError) -> PatternNode {
        var parts: [PatternNode] = []
        while let scalar = peek, scalar != "|", scalar != ")" { parts.append(try quantified()) }
        return parts.count == 1 ? parts[0] : parts.isEmpty ? .empty : .sequence(parts)
    }

    private mutating func quantified() throws(InputError) -> PatternNode {
        var node = try atom()
        while let (minimum, maximum, isInterval) = try quantifier() {
            switch node {
            case .assertion, .lookAhead, .lookBehind: throw unsupported("a repeated assertion")
            default: break
            }
            if take("?") {
                // `x{2}?` is an optional `x{2}`, for Oniguruma.
                node =
                    isInterval && minimum == maximum
                    ? .repeated(
                        .repeated(node, minimum: minimum, maximum: maximum, .greedy), minimum: 0, maximum: 1,
                        .greedy)
                    : .repeated(node, minimum: minimum, maximum: maximum, .lazy)
            } else if !isInterval, take("+") {
                // `x{1,3}+` is not possessive but repeats the whole, for Oniguruma: the loop finds the plus.
                node = .repeated(node, minimum: minimum, maximum: maximum, .possessive)
            } else {
                node = .repeated(node, minimum: minimum, maximum: maximum, .greedy)
            }
            depth += 1
            guard depth <= Self.deepestNesting else { throw unsupported("so many quantifiers") }
        }
        return node
    }

    private mutating func quantifier() throws(InputError) -> (Int, Int?, isInterval: Bool)? {
        if take("*") { return (0, nil, false) }
        if take("+") { return (1, nil, false) }
        if take("?") { return (0, 1, false) }
        let start = position
        guard take("{") else { return nil }
        let minimum = try number()
        let hasComma = take(",")
        let maximum = hasComma ? try number() : minimum
        guard take("}"), minimum != nil || maximum != nil else {
            // Anything else in braces stands for itself.
            position = start
            return nil
        }
        if let minimum, let maximum, minimum > maximum { throw unsupported("a range from high to low") }
        return (minimum ?? 0, maximum, true)
    }

    private mutating func number() throws(InputError) -> Int? {
        var value: Int?
        while let digit = peek, ("0"..."9").contains(digit) {
            value = 10 * (value ?? 0) + Int(digit.value - 0x30)
            guard let value, value <= Self.mostRepetitions else {
                throw unsupported("a repetition of more than \(Self.mostRepetitions)")
            }
            position += 1
        }
        return value
    }

    private mutating func atom() throws(InputError) -> PatternNode {
        guard let scalar = next() else { return .empty }
        switch scalar {
        case "(":
            return try nested { parser throws(InputError) in try parser.group() }
        case "[": return .set(try characterClass())
        case ".": return .set(dotMatchesLineFeed ? .all : .notLineFeed)
        case "^": return .assertion(.startOfLine)
        case "$": return .assertion(.endOfLine)
        case "\\": return try escape()
        case "*", "+", "?": throw unsupported("a quantifier without anything before it")
        default: return .set(literal(scalar.value))
        }
    }

    private func literal(_ codePoint: UInt32) -> CodePointSet {
        let set = CodePointSet([codePoint..<(codePoint + 1)])
        return ignoresCase ? set.ignoringCase : set
    }

    private mutating func group() throws(InputError) -> PatternNode {
        let outer = (ignoresCase, dotMatchesLineFeed)
        defer { (ignoresCase, dotMatchesLineFeed) = outer }
        var wrap: (PatternNode) -> PatternNode = { $0 }
        var isLookBehind = false
        var isNegative = false
        if take("?") {
            if take(":") {
            } else if take(">") {
                wrap = { .atomic($0) }
            } else if take("=") {
                wrap = { .lookAhead($0, isNegative: false) }
            } else if take("!") {
                wrap = { .lookAhead($0, isNegative: true) }
            } else if take("<=") {
                isLookBehind = true
            } else if take("<!") {
                (isLookBehind, isNegative) = (true, true)
            } else {
                try readOptions()
            }
        }
        let body = try alternatives()
        guard take(")") else { throw unsupported("a \"(\" without its \")\"") }
        guard isLookBehind else { return wrap(body) }
        guard let length = body.fixedLength else {
            throw unsupported("a look-behind whose length is not fixed")
        }
        return .lookBehind(body, isNegative: isNegative, length: length)
    }

    /// Reads `i`, `m` and `-` up to the colon after them.
    private mutating func readOptions() throws(InputError) {
        var value = true
        while let option = next(), option != ":" {
            switch option {
            case "-": value = false
            case "i": ignoresCase = value
            case "m": dotMatchesLineFeed = value
            default: throw unsupported("the group (?\(option)")
            }
        }
    }

    // MARK: Escapes and classes

    private mutating func escape() throws(InputError) -> PatternNode {
        switch peek {
        case "A": position += 1; return .assertion(.startOfText)
        case "z": position += 1; return .assertion(.endOfText)
        case "Z": position += 1; return .assertion(.endOfTextOrLastLine)
        case "b": position += 1; return .assertion(.wordBoundary)
        case "B": position += 1; return .assertion(.noWordBoundary)
        default: break
        }
        switch try escapedMember() {
        case .set(let set): return .set(set)
        case .codePoint(let codePoint): return .set(literal(codePoint))
        }
    }

    private enum Member {
        case set(CodePointSet)
        case codePoint(UInt32)
    }

    private static let controls: [Unicode.Scalar: UInt32] = [
        "t": 0x09, "n": 0x0A, "v": 0x0B, "f": 0x0C, "r": 0x0D, "a": 0x07, "e": 0x1B,
    ]
    private static let classes: [Unicode.Scalar: CodePointSet] = [
        "s": .space, "d": .digit, "w": .word, "h": .hexDigit, "S": CodePointSet.space.inverted,
        "D": CodePointSet.digit.inverted, "W": CodePointSet.word.inverted,
        "H": CodePointSet.hexDigit.inverted,
    ]

    /// What stands after a backslash.
    private mutating func escapedMember() throws(InputError) -> Member {
        guard let scalar = next() else { throw unsupported("a backslash at the end") }
        if let set = Self.classes[scalar] { return .set(set) }
        if let codePoint = Self.controls[scalar] { return .codePoint(codePoint) }
        switch scalar {
        case "p", "P": return .set(try property(isNegative: scalar == "P"))
        case "x": return .codePoint(try take("{") ? hexadecimal(upTo: "}") : hexadecimal(digits: 2))
        case "u": return .codePoint(try hexadecimal(digits: 4))
        case "0"..."9", "a"..."z", "A"..."Z": throw unsupported("the escape \\\(scalar)")
        default: return .codePoint(scalar.value)
        }
    }

    private mutating func hexadecimal(digits: Int) throws(InputError) -> UInt32 {
        let text = scalars[position...].prefix(digits)
        position += text.count
        return try codePoint(text, isComplete: text.count == digits)
    }

    private mutating func hexadecimal(upTo end: Unicode.Scalar) throws(InputError) -> UInt32 {
        let text = scalars[position...].prefix { $0 != end }
        position += text.count
        return try codePoint(text, isComplete: next() == end)
    }

    private func codePoint(_ digits: ArraySlice<Unicode.Scalar>, isComplete: Bool) throws(InputError)
        -> UInt32
    {
        let text = String(String.UnicodeScalarView(digits))
        guard isComplete, digits.allSatisfy(\.properties.isASCIIHexDigit),
            let value = UInt32(text, radix: 16),
            Unicode.Scalar(value) != nil
        else { throw unsupported("the code point \"\(text)\"") }
        return value
    }

    /// `\p{L}`, `\p{^Lu}`, `\p{Han}`
    private mutating func property(isNegative: Bool) throws(InputError) -> CodePointSet {
        guard take("{") else { throw unsupported("\\p without a name in braces") }
        let isInverted = take("^") != isNegative
        let name = scalars[position...].prefix { $0 != "}" }
        position += name.count
        guard next() == "}" else { throw unsupported("\\p without a closing brace") }
        let text = String(String.UnicodeScalarView(name))
        guard let set = CodePointSet(property: text) else { throw unsupported("the property \\p{\(text)}") }
        return isInverted ? set.inverted : set
    }

    /// After "[": members, ranges, nested classes, and intersections with "&&".
    private mutating func characterClass() throws(InputError) -> CodePointSet {
        try nested { parser throws(InputError) in
            let isNegative = parser.take("^")
            var whole: CodePointSet?
            var set = CodePointSet([])
            while !parser.take("]") {
                if parser.take("&&") {
                    whole = whole?.intersection(set) ?? set
                    set = CodePointSet([])
                } else {
                    set = set.union(try parser.classMember())
                }
            }
            set = whole?.intersection(set) ?? set
            if parser.ignoresCase { set = set.ignoringCase }
            return isNegative ? set.inverted : set
        }
    }

    private mutating func classMember() throws(InputError) -> CodePointSet {
        if peek == "[", position + 1 < scalars.count, scalars[position + 1] == ":" {
            throw unsupported("a POSIX class")
        }
        if take("[") { return try characterClass() }
        switch try classCharacter() {
        case .set(let set):
            return set
        case .codePoint(let first):
            guard peek == "-", position + 1 < scalars.count, scalars[position + 1] != "]" else {
                return CodePointSet([first..<(first + 1)])
            }
            position += 1
            guard case .codePoint(let last) = try classCharacter(), last >= first else {
                throw unsupported("a range without two ends in order")
            }
            return CodePointSet([first..<(last + 1)])
        }
    }

    private mutating func classCharacter() throws(InputError) -> Member {
        guard let scalar = next() else { throw unsupported("a \"[\" without its \"]\"") }
        guard scalar == "\\" else { return .codePoint(scalar.value) }
        return take("b") ? .codePoint(0x08) : try escapedMember()
    }
}
