// Strings and numbers as they are written inside tags.

enum StringLiteral {
    /// The value of the quoted string at the start of `source` and its length there; nil when it is not closed.
    static func read(_ source: ArraySlice<Unicode.Scalar>) throws(TemplateError) -> (String, Int)? {
        guard let quote = source.first else { return nil }
        var result = String.UnicodeScalarView()
        var index = source.startIndex + 1
        while index < source.endIndex {
            let scalar = source[index]
            if scalar == quote { return (String(result), index + 1 - source.startIndex) }
            if scalar == "\\", index + 1 < source.endIndex {
                index = try readEscape(source, at: index + 1, into: &result)
            } else {
                result.append(scalar)
                index += 1
            }
        }
        return nil
    }

    /// Python's escapes; an unknown one keeps its backslash. Returns the index after it.
    private static func readEscape(
        _ source: ArraySlice<Unicode.Scalar>, at index: Int, into result: inout String.UnicodeScalarView
    ) throws(TemplateError) -> Int {
        let scalar = source[index]
        let plain: [Unicode.Scalar: Unicode.Scalar] = [
            "\\": "\\", "'": "'", "\"": "\"", "a": "\u{07}", "b": "\u{08}", "f": "\u{0C}", "n": "\n",
            "r": "\r",
            "t": "\t", "v": "\u{0B}",
        ]
        if let value = plain[scalar] {
            result.append(value)
            return index + 1
        }
        switch scalar {
        case "\n": return index + 1
        case "0"..."7":
            let digits = source[index...].prefix(3).prefix { ("0"..."7").contains($0) }
            return try append(digits, radix: 8, at: index, into: &result)
        case "x", "u", "U":
            let count = scalar == "x" ? 2 : (scalar == "u" ? 4 : 8)
            let digits = source[(index + 1)...].prefix(count)
            guard digits.count == count, digits.allSatisfy(\.properties.isASCIIHexDigit) else {
                throw TemplateError("a \\\(scalar) escape needs \(count) hexadecimal digits", kind: .syntax)
            }
            return try append(digits, radix: 16, at: index + 1, into: &result)
        default:
            result.append("\\")
            result.append(scalar)
            return index + 1
        }
    }

    private static func append(
        _ digits: ArraySlice<Unicode.Scalar>, radix: Int, at index: Int,
        into result: inout String.UnicodeScalarView
    ) throws(TemplateError) -> Int {
        guard let value = UInt32(String(scalars: digits), radix: radix), let scalar = Unicode.Scalar(value)
        else {
            throw TemplateError("an escape that is no Unicode code point", kind: .syntax)
        }
        result.append(scalar)
        return index + digits.count
    }
}

enum NumberLiteral {
    /// The number at the start of `source` and its length there; nil for one that cannot be read.
    static func read(
        _ source: ArraySlice<Unicode.Scalar>, allowsFraction: Bool
    ) -> (TemplateToken.Kind, Int)? {
        let text = Array(source.prefix(512))
        if text[0] == "0", text.count > 2, let radix = ["x": 16, "o": 8, "b": 2][lowercase(text[1])] {
            let digits = text.dropFirst(2).prefix { $0.properties.isASCIIHexDigit || $0 == "_" }
            guard let value = PythonNumber.integer(String(scalars: digits), base: radix) else { return nil }
            return (.integer(value), digits.count + 2)
        }
        var length = digits(text, from: 0)
        var isFloat = false
        if allowsFraction {
            if length + 1 < text.count, text[length] == ".", isDigit(text[length + 1]) {
                length = digits(text, from: length + 1)
                isFloat = true
            }
            if length < text.count, lowercase(text[length]) == "e" {
                let signed = length + 1 < text.count && (text[length + 1] == "+" || text[length + 1] == "-")
                let end = digits(text, from: length + (signed ? 2 : 1))
                if end > length + (signed ? 2 : 1) {
                    length = end
                    isFloat = true
                }
            }
        }
        let digitsText = String(scalars: text[..<length])
        if isFloat { return PythonNumber.float(digitsText).map { (.float($0), length) } }
        // Python has no decimal integers with leading zeros, zero apart.
        guard let value = PythonNumber.integer(digitsText), value == 0 || text[0] != "0" else { return nil }
        return (.integer(value), length)
    }

    private static func digits(_ text: [Unicode.Scalar], from start: Int) -> Int {
        var index = start
        while index < text.count, isDigit(text[index]) || (text[index] == "_" && index > start) { index += 1 }
        while index > start, text[index - 1] == "_" { index -= 1 }
        return index
    }

    private static func isDigit(_ scalar: Unicode.Scalar) -> Bool { ("0"..."9").contains(scalar) }

    private static func lowercase(_ scalar: Unicode.Scalar) -> String { scalar.properties.lowercaseMapping }
}
