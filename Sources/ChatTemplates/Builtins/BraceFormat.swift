// Python's `'...'.format(...)`: fields by position or name with attributes and items, and fixed-point numbers.

enum BraceFormat {
    static func format(
        _ format: String, _ arguments: ArgumentValues, _ interpreter: Interpreter
    ) throws(TemplateError) -> String {
        let scalars = Array(format.unicodeScalars)
        var result = ""
        var position = 0
        var automatic = 0
        while position < scalars.count {
            let scalar = scalars[position]
            let doubled = position + 1 < scalars.count && scalars[position + 1] == scalar
            if scalar != "{" && scalar != "}" || doubled {
                result.unicodeScalars.append(scalar)
                position += scalar == "{" || scalar == "}" ? 2 : 1
                continue
            }
            guard scalar == "{", let end = scalars[position...].firstIndex(of: "}") else {
                throw TemplateError("a single '\(scalar)' in a format string")
            }
            let field = String(scalars: scalars[(position + 1)..<end])
            result += try convert(field, arguments, &automatic, interpreter)
            try interpreter.budget.charge()
            try interpreter.budget.chargeString(bytes: result.utf8.count > 1 << 16 ? result.utf8.count : 0)
            position = end + 1
        }
        return result
    }

    private static func convert(
        _ field: String, _ arguments: ArgumentValues, _ automatic: inout Int, _ interpreter: Interpreter
    ) throws(TemplateError) -> String {
        let parts = field.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        let specification = parts.count == 2 ? parts[1] : ""
        let conversion = parts[0].split(separator: "!", maxSplits: 1, omittingEmptySubsequences: false)
        let value = try value(of: conversion[0], arguments, &automatic, interpreter)
        if case .undefined(let reason) = value { throw TemplateError(reason.text) }
        let text: String
        switch conversion.count == 2 ? conversion[1] : "s" {
        case "s": text = try value.text(interpreter.budget)
        case "r": text = try value.representation(interpreter.budget)
        default: throw TemplateError("unknown conversion in the format field {\(field)}")
        }
        if specification.isEmpty { return text }
        // ".2f" is what templates use; anything else is refused rather than printed wrongly.
        if specification.hasPrefix("."), specification.hasSuffix("f"),
            let digits = Int(specification.dropFirst().dropLast()), (0...300).contains(digits),
            let number = value.numeric, conversion.count == 1
        {
            return PythonNumber.fixed(number, digits: digits)
        }
        throw TemplateError("the format field {\(field)} is not supported")
    }

    private static func value(
        of name: Substring, _ arguments: ArgumentValues, _ automatic: inout Int, _ interpreter: Interpreter
    ) throws(TemplateError) -> TemplateValue {
        let first = name.prefix { $0 != "." && $0 != "[" }
        var value: TemplateValue
        if first.isEmpty || Int(first) != nil {
            let index = Int(first) ?? automatic
            if first.isEmpty { automatic += 1 }
            guard arguments.positional.indices.contains(index) else {
                throw TemplateError("Replacement index \(index) out of range for positional args tuple")
            }
            value = arguments.positional[index]
        } else {
            guard let named = arguments[String(first)] else {
                throw TemplateError("format() has no argument '\(first)'")
            }
            value = named
        }
        var rest = name.dropFirst(first.count)
        while let opener = rest.first {
            rest.removeFirst()
            let part = rest.prefix { opener == "[" ? $0 != "]" : ($0 != "." && $0 != "[") }
            rest = rest.dropFirst(part.count)
            if opener == "[" {
                guard rest.first == "]" else { throw TemplateError("expected ']' in a format field") }
                rest.removeFirst()
                value = try interpreter.item(
                    Int(part).map { .integer($0) } ?? .string(String(part)), of: value)
            } else {
                value = try interpreter.attribute(String(part), of: value)
            }
        }
        return value
    }
}
