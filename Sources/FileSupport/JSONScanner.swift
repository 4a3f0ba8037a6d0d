// The recursive descent behind JSONParser: one pass over bytes, no characters, no intermediate tokens.

struct JSONScanner {
    /// What is wrong and the byte offset where.
    struct Failure: Error {
        let offset: Int
        let problem: String
    }

    private let bytes: UnsafeRawBufferPointer
    private var position = 0
    private var depth = 0

    init(bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    /// The byte at the position, 0 at the end: a NUL is legal nowhere in JSON text, so one test serves for both.
    private var current: UInt8 { position < bytes.count ? bytes[position] : 0 }

    mutating func parseDocument() throws(Failure) -> JSONValue {
        if bytes.count >= 3, bytes[0] == 0xEF, bytes[1] == 0xBB, bytes[2] == 0xBF {
            throw Failure(offset: 0, problem: "the text starts with a byte order mark; save it without")
        }
        // Checked once for all strings, which are then made without further checks.
        if let offset = firstInvalidUTF8Offset(in: bytes) {
            throw Failure(offset: offset, problem: "the text is not valid UTF-8 here")
        }
        skipWhitespace()
        let value = try parseValue()
        skipWhitespace()
        guard position == bytes.count else { throw unexpected("the end of the text") }
        return value
    }

    /// Zero-based line and one-based column, in Unicode scalars, of a byte offset.
    func lineAndColumn(of offset: Int) -> (line: Int, column: Int) {
        var line = 0
        var column = 1
        for byte in bytes.prefix(offset) {
            if byte == UInt8(ascii: "\n") {
                line += 1
                column = 1
            } else if byte & 0xC0 != 0x80 {
                column += 1
            }
        }
        return (line, column)
    }

    private mutating func skipWhitespace() {
        while position < bytes.count {
            switch bytes[position] {
            case 0x20, 0x0A, 0x0D, 0x09: position += 1
            default: return
            }
        }
    }

    private func unexpected(_ expected: String) -> Failure {
        guard position < bytes.count else {
            return Failure(offset: position, problem: "expected \(expected), found the end of the text")
        }
        let byte = bytes[position]
        let found =
            (0x21...0x7E).contains(byte)
            ? "\"\(Character(UnicodeScalar(byte)))\"" : "byte 0x\(String(byte, radix: 16))"
        return Failure(offset: position, problem: "expected \(expected), found \(found)")
    }

    // MARK: Values

    private mutating func parseValue() throws(Failure) -> JSONValue {
        switch current {
        case UInt8(ascii: "\""): return .string(try parseString())
        case UInt8(ascii: "{"): return .object(try parseObject())
        case UInt8(ascii: "["): return .array(try parseArray())
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try parseNumber()
        case UInt8(ascii: "t"): return try parseLiteral("true", .bool(true))
        case UInt8(ascii: "f"): return try parseLiteral("false", .bool(false))
        case UInt8(ascii: "n"): return try parseLiteral("null", .null)
        default: throw unexpected("a value")
        }
    }

    private mutating func parseLiteral(
        _ literal: StaticString, _ value: JSONValue
    ) throws(Failure) -> JSONValue {
        for index in 0..<literal.utf8CodeUnitCount {
            guard current == literal.utf8Start[index] else { throw unexpected("\(literal)") }
            position += 1
        }
        return value
    }

    private mutating func enter() throws(Failure) {
        depth += 1
        guard depth <= JSONParser.deepestNesting else {
            throw Failure(
                offset: position, problem: "lists and objects nest deeper than \(JSONParser.deepestNesting)")
        }
        position += 1
        skipWhitespace()
    }

    private mutating func leave() {
        depth -= 1
        position += 1
    }

    private mutating func parseArray() throws(Failure) -> [JSONValue] {
        try enter()
        var elements: [JSONValue] = []
        if current == UInt8(ascii: "]") {
            leave()
            return elements
        }
        while true {
            elements.append(try parseValue())
            skipWhitespace()
            switch current {
            case UInt8(ascii: ","):
                position += 1
                skipWhitespace()
            case UInt8(ascii: "]"):
                leave()
                return elements
            default:
                throw unexpected("\",\" or \"]\"")
            }
        }
    }

    private mutating func parseObject() throws(Failure) -> JSONObject {
        let start = position
        try enter()
        var members: [(key: String, value: JSONValue)] = []
        if current == UInt8(ascii: "}") {
            leave()
            return JSONObject()
        }
        while true {
            guard current == UInt8(ascii: "\"") else { throw unexpected("a key in quotes") }
            let key = try parseString()
            skipWhitespace()
            guard current == UInt8(ascii: ":") else { throw unexpected("\":\"") }
            position += 1
            skipWhitespace()
            members.append((key, try parseValue()))
            skipWhitespace()
            switch current {
            case UInt8(ascii: ","):
                position += 1
                skipWhitespace()
            case UInt8(ascii: "}"):
                leave()
                switch JSONObject.withUniqueKeys(members) {
                case .unique(let object): return object
                case .repeated(let index):
                    let key = members[index].key
                    throw Failure(offset: start, problem: "the key \"\(key)\" appears twice in this object")
                }
            default:
                throw unexpected("\",\" or \"}\"")
            }
        }
    }

    // MARK: Strings

    private mutating func parseString() throws(Failure) -> String {
        position += 1
        let start = position
        while position < bytes.count {
            switch bytes[position] {
            case UInt8(ascii: "\""):
                let text = String(
                    decoding: UnsafeRawBufferPointer(rebasing: bytes[start..<position]), as: UTF8.self)
                position += 1
                return text
            case UInt8(ascii: "\\"):
                return try parseEscapedString(from: start)
            case 0..<0x20:
                throw unexpected("a string without control characters (write them as \\u00XX)")
            default:
                position += 1
            }
        }
        throw unexpected("the closing quote of a string")
    }

    /// The rare path: copies what was scanned so far and goes on with replacements.
    private mutating func parseEscapedString(from start: Int) throws(Failure) -> String {
        var text: [UInt8] = []
        text.reserveCapacity(position - start + 32)
        text.append(contentsOf: bytes[start..<position])
        while position < bytes.count {
            let byte = bytes[position]
            switch byte {
            case UInt8(ascii: "\""):
                position += 1
                return String(decoding: text, as: UTF8.self)
            case UInt8(ascii: "\\"):
                position += 1
                try parseEscape(into: &text)
            case 0..<0x20:
                throw unexpected("a string without control characters (write them as \\u00XX)")
            default:
                text.append(byte)
                position += 1
            }
        }
        throw unexpected("the closing quote of a string")
    }

    private mutating func parseEscape(into text: inout [UInt8]) throws(Failure) {
        switch current {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(current)
        case UInt8(ascii: "b"): text.append(0x08)
        case UInt8(ascii: "f"): text.append(0x0C)
        case UInt8(ascii: "n"): text.append(0x0A)
        case UInt8(ascii: "r"): text.append(0x0D)
        case UInt8(ascii: "t"): text.append(0x09)
        case UInt8(ascii: "u"):
            let start = position - 1
            position += 1
            guard let scalar = try parseEscapedScalar() else {
                throw Failure(offset: start, problem: "a \\u escape is half of a surrogate pair")
            }
            text.append(contentsOf: scalar.utf8)
            return
        default:
            throw unexpected("one of \" \\ / b f n r t u after a backslash")
        }
        position += 1
    }

    /// The scalar of `XXXX` or of `XXXX\uXXXX`; nil for a lone surrogate.
    private mutating func parseEscapedScalar() throws(Failure) -> UnicodeScalar? {
        let first = try parseFourHexDigits()
        guard (0xD800..<0xDC00).contains(first) else { return UnicodeScalar(first) }
        guard current == UInt8(ascii: "\\") else { return nil }
        position += 1
        guard current == UInt8(ascii: "u") else { return nil }
        position += 1
        let second = try parseFourHexDigits()
        guard (0xDC00..<0xE000).contains(second) else { return nil }
        return UnicodeScalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00))
    }

    private mutating func parseFourHexDigits() throws(Failure) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<4 {
            guard let digit = hexDigit(current) else {
                throw unexpected("four hexadecimal digits")
            }
            value = value << 4 | digit
            position += 1
        }
        return value
    }

    private func hexDigit(_ byte: UInt8) -> UInt32? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(byte - UInt8(ascii: "0"))
        case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt32(byte - UInt8(ascii: "a")) + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): UInt32(byte - UInt8(ascii: "A")) + 10
        default: nil
        }
    }

    // MARK: Numbers

    private var isAtDigit: Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(current) }

    private mutating func skipDigits() throws(Failure) {
        guard isAtDigit else { throw unexpected("a digit") }
        while isAtDigit { position += 1 }
    }

    private mutating func parseNumber() throws(Failure) -> JSONValue {
        let start = position
        let isNegative = current == UInt8(ascii: "-")
        if isNegative { position += 1 }
        if current == UInt8(ascii: "0") {
            position += 1
            guard !isAtDigit else { throw unexpected("no digit after a leading zero") }
        } else {
            try skipDigits()
        }
        let isWhole = ![UInt8(ascii: "."), UInt8(ascii: "e"), UInt8(ascii: "E")].contains(current)
        if isWhole, let integer = integer(from: isNegative ? start + 1 : start, isNegative: isNegative) {
            return .integer(integer)
        }
        if current == UInt8(ascii: ".") {
            position += 1
            try skipDigits()
        }
        if current == UInt8(ascii: "e") || current == UInt8(ascii: "E") {
            position += 1
            if current == UInt8(ascii: "+") || current == UInt8(ascii: "-") { position += 1 }
            try skipDigits()
        }
        let text = String(decoding: bytes[start..<position], as: UTF8.self)
        guard let number = Double(text), number.isFinite else {
            throw Failure(offset: start, problem: "the number \(text.prefix(40)) is too large")
        }
        return .number(number)
    }

    /// The digits up to the position as an exact `Int`, or nil when they do not fit.
    private func integer(from start: Int, isNegative: Bool) -> Int? {
        // Minus zero stays a floating-point number, so that it keeps its sign.
        if isNegative, position == start + 1, bytes[start] == UInt8(ascii: "0") { return nil }
        var value = 0
        for digit in bytes[start..<position] {
            let (shifted, overflow) = value.multipliedReportingOverflow(by: 10)
            let digit = Int(digit &- UInt8(ascii: "0"))
            // Summed with its own sign: Int.min has no positive counterpart.
            let (sum, overflowed) =
                isNegative
                ? shifted.subtractingReportingOverflow(digit) : shifted.addingReportingOverflow(digit)
            if overflow || overflowed { return nil }
            value = sum
        }
        return value
    }
}
