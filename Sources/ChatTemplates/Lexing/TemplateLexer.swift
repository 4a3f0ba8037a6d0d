// Cuts a template into text and tags, with the whitespace rules of Jinja under trim_blocks and lstrip_blocks.

/// Reads code points, because Jinja's rules are in terms of them.
struct TemplateLexer {
    private let source: [Unicode.Scalar]
    private var position = 0
    private var line = 1
    private var countedTo = 0
    private var tokens: [TemplateToken] = []
    /// Whether the last thing read ended a line: only then may `lstrip_blocks` act at the start of the next text.
    private var startsLine = true

    private enum Marker {
        case output, tag, comment
    }

    static func tokens(of template: String) throws(TemplateError) -> [TemplateToken] {
        var lexer = TemplateLexer(template)
        while lexer.position < lexer.source.count { try lexer.readTextAndTag() }
        lexer.append(.end)
        return lexer.tokens
    }

    private init(_ template: String) {
        // All line ends become "\n", and a single one at the end of the template is dropped.
        var scalars: [Unicode.Scalar] = []
        var afterReturn = false
        for scalar in template.unicodeScalars {
            if !(scalar == "\n" && afterReturn) { scalars.append(scalar == "\r" ? "\n" : scalar) }
            afterReturn = scalar == "\r"
        }
        if scalars.last == "\n" { scalars.removeLast() }
        source = scalars
    }

    // MARK: Text

    private mutating func readTextAndTag() throws(TemplateError) {
        guard let (start, marker) = nextMarker() else {
            appendText(source[position...])
            position = source.count
            return
        }
        let sign = scalar(start + 2)
        let afterRaw = marker == .tag ? endOfRawTag(start, word: "raw") : nil
        appendText(before: start, sign: sign, strippingLine: marker != .output)
        position = start + (sign == "-" || sign == "+" ? 3 : 2)
        startsLine = false
        if let afterRaw {
            position = afterRaw
            try readRaw(from: start)
            return
        }
        switch marker {
        case .comment: try readComment(from: start)
        case .output:
            append(.outputBegin)
            try readTag(closing: .outputEnd)
        case .tag:
            append(.tagBegin)
            try readTag(closing: .tagEnd)
        }
    }

    private func nextMarker() -> (Int, Marker)? {
        var index = position
        while index + 1 < source.count {
            if source[index] == "{" {
                switch source[index + 1] {
                case "{": return (index, .output)
                case "%": return (index, .tag)
                case "#": return (index, .comment)
                default: break
                }
            }
            index += 1
        }
        return nil
    }

    /// Adds the text up to a tag, stripped as the tag's sign and `lstrip_blocks` demand.
    private mutating func appendText(before end: Int, sign: Unicode.Scalar?, strippingLine: Bool) {
        var text = source[position..<end]
        if sign == "-" {
            while let last = text.last, last.isPythonWhitespace { text.removeLast() }
        } else if sign != "+", strippingLine {
            let lineStart = text.lastIndex(of: "\n").map { $0 + 1 } ?? text.startIndex
            if lineStart > text.startIndex || startsLine,
                text[lineStart...].allSatisfy(\.isPythonWhitespace)
            {
                text = text[..<lineStart]
            }
        }
        appendText(text)
    }

    private mutating func appendText(_ text: ArraySlice<Unicode.Scalar>) {
        if !text.isEmpty { append(.text(String(scalars: text))) }
    }

    // MARK: Comments and raw text

    private mutating func readComment(from start: Int) throws(TemplateError) {
        var index = position
        while index + 1 < source.count {
            if source[index] == "#", source[index + 1] == "}" {
                closeBlock(at: index, previous: index > position ? source[index - 1] : nil)
                return
            }
            index += 1
        }
        throw syntax("missing end of comment tag", at: start)
    }

    /// Where a `{% raw %}` or `{% endraw %}` that begins at `start` ends; nil when it is another tag.
    private func endOfRawTag(_ start: Int, word: String) -> Int? {
        var index = start + 2
        if let sign = scalar(index), sign == "-" || sign == "+" { index += 1 }
        index = skippingWhitespace(index)
        for letter in word.unicodeScalars {
            guard scalar(index) == letter else { return nil }
            index += 1
        }
        index = skippingWhitespace(index)
        switch (scalar(index), scalar(index + 1), scalar(index + 2)) {
        case ("%", "}", _): return index + 2
        case ("-", "%", "}"): return skippingWhitespace(index + 3)
        case ("+", "%", "}") where word == "endraw": return index + 3
        default: return nil
        }
    }

    private mutating func readRaw(from start: Int) throws(TemplateError) {
        var index = position
        while index + 1 < source.count {
            if source[index] == "{", source[index + 1] == "%", let end = endOfRawTag(index, word: "endraw") {
                appendText(before: index, sign: scalar(index + 2), strippingLine: true)
                position = end
                startsLine = false
                if source[end - 3] != "+", source[end - 3] != "-", scalar(end) == "\n" { position += 1 }
                startsLine = source[position - 1] == "\n"
                return
            }
            index += 1
        }
        throw syntax("missing end of raw block", at: start)
    }

    // MARK: Inside tags

    private mutating func readTag(closing end: TemplateToken.Kind) throws(TemplateError) {
        let start = position
        var brackets: [Unicode.Scalar] = []
        let close: Unicode.Scalar = end == .outputEnd ? "}" : "%"
        while true {
            position = skippingWhitespace(position)
            guard let next = scalar(position) else {
                throw syntax("a tag is not closed", at: start)
            }
            if brackets.isEmpty, let signed = endOfTag(close: close) {
                append(end)
                if end == .outputEnd {
                    position = signed ? skippingWhitespace(position + 3) : position + 2
                    startsLine = source[position - 1] == "\n"
                } else {
                    closeBlock(at: next == "%" ? position : position + 1, previous: next)
                }
                return
            }
            try readWord(&brackets)
        }
    }

    /// Whether the tag ends here; true when a sign stands before its end.
    private func endOfTag(close: Unicode.Scalar) -> Bool? {
        let first = scalar(position)
        if first == close, scalar(position + 1) == "}" { return false }
        let mayKeep = close == "%" && first == "+"
        if first == "-" || mayKeep, scalar(position + 1) == close, scalar(position + 2) == "}" { return true }
        return nil
    }

    /// Steps over the end of a block or comment whose two closing code points begin at `index`: a minus swallows all
    /// whitespace, a plus none, and otherwise one line end goes (trim_blocks).
    private mutating func closeBlock(at index: Int, previous sign: Unicode.Scalar?) {
        position = index + 2
        if sign == "-" {
            position = skippingWhitespace(position)
        } else if sign != "+", scalar(position) == "\n" {
            position += 1
        }
        startsLine = source[position - 1] == "\n"
    }

    private mutating func readWord(_ brackets: inout [Unicode.Scalar]) throws(TemplateError) {
        let start = position
        let first = source[start]
        if first.value < 0x80, first.properties.numericType != nil {
            let followsDot = start > 0 && source[start - 1] == "."
            guard let (kind, length) = NumberLiteral.read(source[start...], allowsFraction: !followsDot)
            else {
                throw syntax("a number that cannot be read", at: start)
            }
            append(kind)
            position += length
        } else if first == "_" || first.properties.isXIDStart {
            var end = start + 1
            while end < source.count, source[end].properties.isXIDContinue { end += 1 }
            append(.name(String(scalars: source[start..<end])))
            position = end
        } else if first == "'" || first == "\"" {
            guard let (text, length) = try StringLiteral.read(source[start...]) else {
                throw syntax("a string without its closing quote", at: start)
            }
            append(.string(text))
            position += length
        } else {
            try readSymbol(&brackets)
        }
    }

    private mutating func readSymbol(_ brackets: inout [Unicode.Scalar]) throws(TemplateError) {
        let first = source[position]
        let pair = String(first) + (scalar(position + 1).map { String($0) } ?? "")
        if ["//", "**", "==", "!=", ">=", "<="].contains(pair) {
            append(.symbol(pair))
            position += 2
            return
        }
        switch first {
        case "(", "[", "{": brackets.append(first)
        case ")", "]", "}":
            let opener: Unicode.Scalar = first == ")" ? "(" : (first == "]" ? "[" : "{")
            guard brackets.popLast() == opener else { throw syntax("unexpected '\(first)'", at: position) }
        case "+", "-", "/", "*", "%", "~", ">", "<", "=", ".", ":", "|", ",", ";": break
        default:
            throw syntax("unexpected character \(PythonText.representation(String(first)))", at: position)
        }
        append(.symbol(String(first)))
        position += 1
    }

    // MARK: Helpers

    private func scalar(_ index: Int) -> Unicode.Scalar? { index < source.count ? source[index] : nil }

    private func skippingWhitespace(_ start: Int) -> Int {
        var index = start
        while index < source.count, source[index].isPythonWhitespace { index += 1 }
        return index
    }

    private mutating func append(_ kind: TemplateToken.Kind) {
        tokens.append(TemplateToken(kind: kind, line: lineNumber(at: position)))
    }

    private mutating func syntax(_ message: String, at index: Int) -> TemplateError {
        TemplateError(message, kind: .syntax, line: lineNumber(at: index))
    }

    /// Counts on from where the last question was answered, so that a long template is walked once.
    private mutating func lineNumber(at index: Int) -> Int {
        if index < countedTo {
            line -= source[index..<countedTo].count { $0 == "\n" }
        } else {
            line += source[countedTo..<index].count { $0 == "\n" }
        }
        countedTo = index
        return line
    }
}
