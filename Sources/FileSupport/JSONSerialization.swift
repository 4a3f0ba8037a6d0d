// JSON text from values, byte for byte as Python's `json.dumps(value, ensure_ascii=False)` writes it.

extension JSONValue {
    /// This value as JSON text.
    ///
    /// One line (`{"a": 1, "b": [2, 3]}`), or indented by two spaces when `pretty`, as Python's json.dumps writes
    /// with `ensure_ascii=False`. Parsing the text gives back an equal value, doubles bit for bit; only NaN and the
    /// infinities, which JSON cannot express, become `null`.
    public func serialized(pretty: Bool = false) -> String {
        var text: [UInt8] = []
        append(to: &text, indentation: pretty ? 0 : nil)
        return String(decoding: text, as: UTF8.self)
    }

    /// Appends one line of JSON Lines, with its line feed.
    package func appendLine(to text: inout [UInt8]) {
        append(to: &text, indentation: nil)
        text.append(UInt8(ascii: "\n"))
    }

    /// - Parameter indentation: the spaces before this value's closing bracket; nil writes one line.
    private func append(to text: inout [UInt8], indentation: Int?) {
        switch self {
        case .null: text.append(contentsOf: "null".utf8)
        case .bool(let value): text.append(contentsOf: (value ? "true" : "false").utf8)
        case .integer(let value): text.append(contentsOf: String(value).utf8)
        case .number(let value):
            // Swift prints the shortest digits that read back as the same double.
            text.append(contentsOf: (value.isFinite ? "\(value)" : "null").utf8)
        case .string(let value): Self.appendQuoted(value, to: &text)
        case .array(let elements):
            Self.appendList(elements, "[", "]", to: &text, indentation) { element, text, inner in
                element.append(to: &text, indentation: inner)
            }
        case .object(let object):
            Self.appendList(object.members, "{", "}", to: &text, indentation) { member, text, inner in
                Self.appendQuoted(member.key, to: &text)
                text.append(contentsOf: ": ".utf8)
                member.value.append(to: &text, indentation: inner)
            }
        }
    }

    private static func appendList<Element>(
        _ elements: [Element], _ opening: Unicode.Scalar, _ closing: Unicode.Scalar, to text: inout [UInt8],
        _ indentation: Int?, appendElement: (Element, inout [UInt8], Int?) -> Void
    ) {
        let inner = elements.isEmpty ? nil : indentation.map { $0 + 2 }
        text.append(UInt8(ascii: opening))
        for (index, element) in elements.enumerated() {
            if index > 0 { text.append(contentsOf: (inner == nil ? ", " : ",").utf8) }
            if let inner { appendLineBreak(inner, to: &text) }
            appendElement(element, &text, inner)
        }
        if let indentation, inner != nil { appendLineBreak(indentation, to: &text) }
        text.append(UInt8(ascii: closing))
    }

    private static func appendLineBreak(_ indentation: Int, to text: inout [UInt8]) {
        text.append(UInt8(ascii: "\n"))
        text.append(contentsOf: repeatElement(UInt8(ascii: " "), count: indentation))
    }

    private static func appendQuoted(_ string: String, to text: inout [UInt8]) {
        text.append(UInt8(ascii: "\""))
        for byte in string.utf8 {
            switch byte {
            case UInt8(ascii: "\""): text.append(contentsOf: #"\""#.utf8)
            case UInt8(ascii: "\\"): text.append(contentsOf: #"\\"#.utf8)
            case 0x08: text.append(contentsOf: #"\b"#.utf8)
            case 0x0C: text.append(contentsOf: #"\f"#.utf8)
            case 0x0A: text.append(contentsOf: #"\n"#.utf8)
            case 0x0D: text.append(contentsOf: #"\r"#.utf8)
            case 0x09: text.append(contentsOf: #"\t"#.utf8)
            case 0..<0x20:
                text.append(contentsOf: (byte < 0x10 ? #"\u000"# : #"\u00"#).utf8)
                text.append(contentsOf: String(byte, radix: 16).utf8)
            default: text.append(byte)
            }
        }
        text.append(UInt8(ascii: "\""))
    }
}
