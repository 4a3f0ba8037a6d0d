// `str` and `repr` of values, as Python prints them.

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

extension TemplateValue {
    /// Python's `str(value)`, which is what `{{ value }}` prints.
    func text(_ budget: RenderBudget) throws(TemplateError) -> String {
        switch self {
        case .undefined: return ""
        case .string(let text), .markup(let text): return text
        default: return try representation(budget)
        }
    }

    /// Python's `repr(value)`.
    func representation(_ budget: RenderBudget) throws(TemplateError) -> String {
        try budget.enter()
        defer { budget.leave() }
        try budget.charge()
        switch self {
        case .undefined: return "Undefined"
        case .none: return "None"
        case .bool(let value): return value ? "True" : "False"
        case .integer(let value): return String(value)
        case .float(let value): return PythonNumber.representation(value)
        case .string(let text): return PythonText.representation(text)
        case .markup(let text): return "Markup(\(PythonText.representation(text)))"
        case .list(let list): return "[" + (try Self.joined(list.items, budget)) + "]"
        case .tuple(let list):
            return "(" + (try Self.joined(list.items, budget)) + (list.items.count == 1 ? ",)" : ")")
        case .dictionary(let dictionary): return try Self.representation(dictionary, budget)
        case .view(let view):
            if case .range(let start, let stop, let step) = view.kind {
                return step == 1 ? "range(\(start), \(stop))" : "range(\(start), \(stop), \(step))"
            }
            return "\(typeName)([" + (try Self.joined(view.list.items, budget)) + "])"
        case .namespace(let namespace):
            return "<Namespace \(try Self.representation(namespace.attributes, budget))>"
        case .loop(let loop): return "<LoopContext \(loop.index + 1)/\(loop.items.count)>"
        case .iterator, .callable: return "<\(typeName)>"
        }
    }

    private static func joined(
        _ items: [TemplateValue], _ budget: RenderBudget
    ) throws(TemplateError) -> String {
        var text = ""
        for (index, item) in items.enumerated() {
            if index > 0 { text += ", " }
            text += try item.representation(budget)
            try budget.chargeString(bytes: text.utf8.count > 1 << 16 ? text.utf8.count : 0)
        }
        return text
    }

    private static func representation(
        _ dictionary: TemplateDictionary, _ budget: RenderBudget
    ) throws(TemplateError) -> String {
        var text = "{"
        for (index, entry) in dictionary.entries.enumerated() {
            if index > 0 { text += ", " }
            text += try entry.key.representation(budget) + ": " + entry.value.representation(budget)
            try budget.chargeString(bytes: text.utf8.count > 1 << 16 ? text.utf8.count : 0)
        }
        return text + "}"
    }
}

extension PythonText {
    /// Python's `repr` of a string: single quotes unless the text has one and no double quote.
    static func representation(_ text: String) -> String {
        let scalars = text.unicodeScalars
        let quote: Unicode.Scalar = scalars.contains("'") && !scalars.contains("\"") ? "\"" : "'"
        var result = String(quote)
        for scalar in scalars {
            switch scalar {
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            case quote: result += "\\" + String(quote)
            default:
                if isPrintable(scalar) {
                    result.unicodeScalars.append(scalar)
                } else {
                    result += escape(scalar)
                }
            }
        }
        return result + String(quote)
    }

    /// Python's `str.isprintable` for one code point.
    private static func isPrintable(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator:
            false
        case .spaceSeparator: scalar == " "
        default: true
        }
    }

    private static func escape(_ scalar: Unicode.Scalar) -> String {
        switch scalar.value {
        case 0..<0x100: "\\x" + hexadecimal(scalar.value, digits: 2)
        case 0x100..<0x10000: "\\u" + hexadecimal(scalar.value, digits: 4)
        default: "\\U" + hexadecimal(scalar.value, digits: 8)
        }
    }

    static func hexadecimal(_ value: UInt32, digits: Int) -> String {
        let text = String(value, radix: 16)
        return String(repeating: "0", count: max(0, digits - text.utf8.count)) + text
    }
}

/// Numbers as Python prints and reads them.
enum PythonNumber {
    /// Python's `repr` of a float: the shortest digits that read back, with an exponent outside 1e-4 ..< 1e16.
    static func representation(_ value: Double) -> String {
        if value.isNaN { return "nan" }
        if value.isInfinite { return value < 0 ? "-inf" : "inf" }
        let shortest = value.description
        // Swift writes whole numbers up to 2^54 without an exponent; Python stops at 1e16.
        guard abs(value) >= 1e16, !shortest.contains("e") else { return shortest }
        let sign = value < 0 ? "-" : ""
        let digits = shortest.drop { $0 == "-" }.prefix { $0 != "." }
        let exponent = digits.count - 1
        let significant = PythonText.strip(String(digits), characters: "0", leading: false)
        let fraction = significant.dropFirst()
        return sign + significant.prefix(1) + (fraction.isEmpty ? "" : "." + fraction) + "e+\(exponent)"
    }

    /// `value` with this many digits after the point, correctly rounded.
    static func fixed(_ value: Double, digits: Int) -> String {
        var buffer = [CChar](repeating: 0, count: 400 + max(0, digits))
        let written = withVaList([Int32(clamping: digits), value]) {
            vsnprintf(&buffer, buffer.count, "%.*f", $0)
        }
        return String(decoding: buffer.prefix(Int(written)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Python's `int(text)`: decimal digits, a sign, surrounding whitespace and single underscores.
    static func integer(_ text: String, base: Int = 10) -> Int? {
        var digits = PythonText.strip(text, characters: nil)
        let negative = digits.hasPrefix("-")
        if negative || digits.hasPrefix("+") { digits.removeFirst() }
        let prefixes = [16: "0x", 8: "0o", 2: "0b"]
        if let prefix = prefixes[base], digits.lowercased().hasPrefix(prefix) { digits.removeFirst(2) }
        guard let plain = withoutUnderscores(digits), plain.utf8.first != UInt8(ascii: "-"),
            plain.utf8.first != UInt8(ascii: "+")
        else { return nil }
        return Int((negative ? "-" : "") + plain, radix: base)
    }

    /// Python's `float(text)`.
    static func float(_ text: String) -> Double? {
        guard let plain = withoutUnderscores(PythonText.strip(text, characters: nil).lowercased()),
            plain.utf8.allSatisfy({ $0 < 0x80 && $0 != UInt8(ascii: "x") && $0 != UInt8(ascii: "(") })
        else { return nil }
        return Double(plain)
    }

    /// Underscores may stand between digits only.
    private static func withoutUnderscores(_ text: String) -> String? {
        let bytes = Array(text.utf8)
        for (index, byte) in bytes.enumerated() where byte == UInt8(ascii: "_") {
            guard index > 0, index + 1 < bytes.count, bytes[index - 1] != byte, bytes[index + 1] != byte
            else {
                return nil
            }
        }
        return bytes.isEmpty ? nil : String(bytes: bytes.filter { $0 != UInt8(ascii: "_") })
    }
}
