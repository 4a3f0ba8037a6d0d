// The `tojson` filter: the text that Python's `json.dumps(value, ensure_ascii=False)` gives.

import FileSupport

/// Writes values as JSON text with Python's spacing.
struct JSONText {
    var indent: String?
    var itemSeparator = ", "
    var keySeparator = ": "
    var sortsKeys = false
    var ensuresASCII = false
    let budget: RenderBudget

    func write(_ value: TemplateValue) throws(TemplateError) -> String {
        var output = ""
        try write(value, level: 0, into: &output)
        return output
    }

    private func write(
        _ value: TemplateValue, level: Int, into output: inout String
    ) throws(TemplateError) {
        try budget.enter()
        defer { budget.leave() }
        try budget.charge()
        guard output.utf8.count <= budget.limits.stringBytes else {
            return try budget.chargeString(bytes: output.utf8.count)
        }
        switch value {
        case .none: output += "null"
        case .bool(let flag): output += flag ? "true" : "false"
        case .integer(let number): output += String(number)
        case .float(let number): output += Self.number(number)
        case .string(let text), .markup(let text):
            try budget.chargeString(bytes: text.utf8.count)
            quote(text, into: &output)
        case .list(let list), .tuple(let list):
            try writeItems(list.items.count, open: "[", close: "]", level: level, into: &output) {
                (index, output) throws(TemplateError) in
                try write(list.items[index], level: level + 1, into: &output)
            }
        case .dictionary(let dictionary):
            var entries = dictionary.entries
            if sortsKeys {
                entries = try Sorting.sorted(entries) { (left, right) throws(TemplateError) in
                    try left.key.order(right.key, operatorText: "<", budget) == -1
                }
            }
            try writeItems(entries.count, open: "{", close: "}", level: level, into: &output) {
                (index, output) throws(TemplateError) in
                quote(try key(entries[index].key), into: &output)
                output += keySeparator
                try write(entries[index].value, level: level + 1, into: &output)
            }
        case .undefined, .view, .iterator, .namespace, .loop, .callable:
            throw TemplateError("Object of type \(value.typeName) is not JSON serializable")
        }
    }

    private func writeItems(
        _ count: Int, open: String, close: String, level: Int, into output: inout String,
        item: (Int, inout String) throws(TemplateError) -> Void
    ) throws(TemplateError) {
        output += open
        for index in 0..<count {
            if index > 0 { output += itemSeparator }
            if let indent { output += "\n" + String(repeating: indent, count: level + 1) }
            try item(index, &output)
        }
        if let indent, count > 0 { output += "\n" + String(repeating: indent, count: level) }
        output += close
    }

    private func key(_ key: TemplateValue) throws(TemplateError) -> String {
        switch key {
        case .string(let text): text
        case .none: "null"
        case .bool(let flag): flag ? "true" : "false"
        case .integer(let number): String(number)
        case .float(let number): Self.number(number)
        default: throw TemplateError("keys must be str, int, float, bool or None, not \(key.typeName)")
        }
    }

    private static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Infinity" : "Infinity" }
        return PythonNumber.representation(value)
    }

    private func quote(_ text: String, into output: inout String) {
        output += "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": output += "\\\""
            case "\\": output += "\\\\"
            case "\n": output += "\\n"
            case "\r": output += "\\r"
            case "\t": output += "\\t"
            case "\u{08}": output += "\\b"
            case "\u{0C}": output += "\\f"
            default:
                if scalar.value < 0x20 || (ensuresASCII && scalar.value > 0x7E) {
                    for unit in String(scalar).utf16 {
                        output += "\\u" + PythonText.hexadecimal(UInt32(unit), digits: 4)
                    }
                } else {
                    output.unicodeScalars.append(scalar)
                }
            }
        }
        output += "\""
    }
}

extension TemplateValue {
    /// A JSON value as the template sees it.
    init(_ json: JSONValue, _ budget: RenderBudget) throws(TemplateError) {
        try budget.enter()
        defer { budget.leave() }
        switch json {
        case .null: self = .none
        case .bool(let flag): self = .bool(flag)
        case .integer(let number): self = .integer(number)
        case .number(let number): self = .float(number)
        case .string(let text): self = .string(text)
        case .array(let values):
            var items: [TemplateValue] = []
            items.reserveCapacity(values.count)
            for value in values { items.append(try TemplateValue(value, budget)) }
            self = .list(try TemplateList(items, budget))
        case .object(let object):
            var dictionary = TemplateDictionary()
            for member in object.members {
                try dictionary.set(.string(member.key), TemplateValue(member.value, budget), budget)
            }
            self = .dictionary(dictionary)
        }
    }
}
