// The table of filters, and those that work on single values.

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Every filter there is; the names are Jinja's.
enum FilterName: String {
    case abs, attr, batch, capitalize, center, count, d, `default`, dictsort, e, escape, first, float,
        forceescape
    case format, indent, int, items, join, last, length, list, lower, map, max, min, reject, rejectattr
    case replace, reverse, round, safe, select, selectattr, slice, sort, string, sum, title, tojson, trim,
        truncate
    case unique, upper, wordcount
}

extension Interpreter {
    func apply(
        _ name: String, to value: TemplateValue, _ arguments: ArgumentValues
    ) throws(TemplateError) -> TemplateValue {
        guard let filter = FilterName(rawValue: name) else {
            throw TemplateError("No filter named '\(name)'.")
        }
        try budget.enter()
        defer { budget.leave() }
        if case .markup(let text) = value {
            switch filter {
            case .escape, .e, .safe, .default, .d: return value
            case .upper, .lower, .capitalize, .trim, .string, .indent, .center, .truncate, .reverse:
                return try apply(name, to: .string(text), arguments).marked
            case .format:
                var escaped = ArgumentValues()
                for value in arguments.positional { escaped.positional.append(try value.escaped(budget)) }
                for (name, value) in arguments.named {
                    escaped.named.append((name, try value.escaped(budget)))
                }
                return try apply(name, to: .string(text), escaped).marked
            default: return try apply(name, to: .string(text), arguments)
            }
        }
        if let result = try textFilter(filter, value, arguments) { return result }
        if let result = try sequenceFilter(filter, value, arguments) { return result }
        func bound(_ parameters: String...) throws(TemplateError) -> [TemplateValue?] {
            try arguments.bound(to: parameters, of: name)
        }
        switch filter {
        case .default, .d:
            let given = try bound("default_value", "boolean")
            let replacesFalse = flag(given[1])
            return value.isUndefined || (replacesFalse && !value.isTrue) ? given[0] ?? .string("") : value
        case .length, .count:
            _ = try bound()
            return .integer(try length(of: value))
        case .attr:
            guard let attributeName = try bound("name")[0]?.characters else {
                throw TemplateError("attr needs the name of an attribute")
            }
            // Items are left out on purpose: this filter looks at attributes only.
            if case .dictionary = value, case .callable = try attribute(attributeName, of: value) {
                return try attribute(attributeName, of: value)
            }
            if case .dictionary = value { return .undefined(.attribute(of: value.objectName, attributeName)) }
            return try attribute(attributeName, of: value)
        case .abs: return try absolute(value)
        case .round: return try rounded(value, bound("precision", "method"))
        case .int:
            let given = try bound("default", "base")
            return try integer(value, default: given[0] ?? .integer(0), base: given[1].integer("base") ?? 10)
        case .float:
            let fallback = try bound("default")[0] ?? .float(0)
            switch value {
            case .undefined(let reason): throw TemplateError(reason.text)
            case .string(let text): return PythonNumber.float(text).map { .float($0) } ?? fallback
            default: return value.numeric.map { .float($0) } ?? fallback
            }
        case .tojson: return try json(value, arguments)
        default:
            preconditionFailure("the filter '\(name)' is in the table but not implemented")
        }
    }

    /// An optional argument that is true or false; absent means false.
    func flag(_ argument: TemplateValue?) -> Bool { argument?.isTrue ?? false }

    func length(of value: TemplateValue) throws(TemplateError) -> Int {
        switch value {
        case .undefined: return 0
        case .string(let text):
            try budget.charge(text.utf8.count / 64)
            return text.scalarCount
        case .list(let list), .tuple(let list): return list.items.count
        case .dictionary(let dictionary): return dictionary.count
        case .view(let view): return view.list.items.count
        case .loop(let loop): return loop.items.count
        default: throw TemplateError("object of type '\(value.typeName)' has no len()")
        }
    }

    private func absolute(_ value: TemplateValue) throws(TemplateError) -> TemplateValue {
        if case .float(let number) = value { return .float(Swift.abs(number)) }
        if case .undefined(let reason) = value { throw TemplateError(reason.text) }
        guard let number = value.exactInteger else {
            throw TemplateError("bad operand type for abs(): '\(value.typeName)'")
        }
        return number < 0 ? try Arithmetic.negate(.integer(number)) : .integer(number)
    }

    private func rounded(
        _ value: TemplateValue, _ given: [TemplateValue?]
    ) throws(TemplateError) -> TemplateValue {
        let precision = try given[0].integer("precision") ?? 0
        let method = try given[1].string("method") ?? "common"
        guard ["common", "ceil", "floor"].contains(method) else {
            throw TemplateError("method must be common, ceil or floor")
        }
        guard (-300...300).contains(precision) else { throw TemplateError("a precision beyond 300 digits") }
        if case .undefined(let reason) = value { throw TemplateError(reason.text) }
        guard let number = value.numeric else {
            throw TemplateError("type \(value.typeName) doesn't define __round__ method")
        }
        let scale = pow(10.0, Double(precision))
        if method != "common" {
            let scaled = number * scale
            return .float((method == "ceil" ? scaled.rounded(.up) : scaled.rounded(.down)) / scale)
        }
        if let integer = value.exactInteger {
            guard precision < 0 else { return .integer(integer) }
            let result = (number * scale).rounded(.toNearestOrEven) / scale
            guard let exact = Int(exactly: result.rounded()) else { throw Arithmetic.tooLarge }
            return .integer(exact)
        }
        guard number.isFinite else { return value }
        if precision < 0 { return .float((number * scale).rounded(.toNearestOrEven) / scale) }
        return .float(Double(PythonNumber.fixed(number, digits: precision)) ?? number)
    }

    private func integer(
        _ value: TemplateValue, default fallback: TemplateValue, base: Int
    ) throws(TemplateError) -> TemplateValue {
        switch value {
        case .undefined(let reason): throw TemplateError(reason.text)
        case .string(let text):
            guard (2...36).contains(base) else { throw TemplateError("base must be from 2 to 36") }
            if let number = PythonNumber.integer(text, base: base) { return .integer(number) }
            return PythonNumber.float(text).flatMap { Int(exactly: $0.rounded(.towardZero)) }.map {
                .integer($0)
            }
                ?? fallback
        case .float(let number):
            return Int(exactly: number.rounded(.towardZero)).map { .integer($0) } ?? fallback
        default: return value.exactInteger.map { .integer($0) } ?? fallback
        }
    }

    private func json(_ value: TemplateValue, _ arguments: ArgumentValues) throws(TemplateError)
        -> TemplateValue
    {
        let given = try arguments.bound(
            to: ["ensure_ascii", "indent", "separators", "sort_keys"], of: "tojson")
        var writer = JSONText(budget: budget)
        writer.ensuresASCII = flag(given[0])
        switch given[1] {
        case nil, .some(.none): break
        case .some(.string(let indent)), .some(.markup(let indent)): writer.indent = indent
        default:
            let width = try given[1].integer("indent") ?? 0
            try budget.chargeString(bytes: max(0, width))
            writer.indent = String(repeating: " ", count: max(0, width))
        }
        if writer.indent != nil { writer.itemSeparator = "," }
        if let separators = given[2], !separators.isNone {
            let parts = try separators.iterated()
            guard parts.count == 2, let item = parts[0].characters, let key = parts[1].characters else {
                throw TemplateError("separators must be a pair of strings")
            }
            writer.itemSeparator = item
            writer.keySeparator = key
        }
        writer.sortsKeys = flag(given[3])
        return .string(try writer.write(value))
    }
}
