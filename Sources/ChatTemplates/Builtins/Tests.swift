// What may follow `is`.

extension Interpreter {
    func test(
        _ name: String, _ value: TemplateValue, _ arguments: ArgumentValues
    ) throws(TemplateError) -> Bool {
        if case .markup(let text) = value {
            return name == "escaped" ? true : try test(name, .string(text), arguments)
        }
        let operand = arguments.positional.first ?? arguments.named.first?.value
        if let comparison = Self.comparisonTests[name] {
            guard let operand else { throw TemplateError("the test '\(name)' needs an argument") }
            return try compare(value, comparison, operand)
        }
        if name == "divisibleby" {
            guard let operand else { throw TemplateError("the test 'divisibleby' needs an argument") }
            let remainder = try Arithmetic.apply(.remainder, value, operand, budget)
            return try remainder.isEqual(to: .integer(0), budget)
        }
        if name == "sameas" {
            guard let operand else { throw TemplateError("the test 'sameas' needs an argument") }
            guard value.typeName == operand.typeName else { return false }
            return try value.isEqual(to: operand, budget)
        }
        guard arguments.positional.isEmpty, arguments.named.isEmpty else {
            throw TemplateError("the test '\(name)' takes no argument")
        }
        switch name {
        case "defined": return !value.isUndefined
        case "undefined": return value.isUndefined
        case "none": return value.isNone
        case "boolean": if case .bool = value { return true } else { return false }
        case "true": if case .bool(true) = value { return true } else { return false }
        case "false": if case .bool(false) = value { return true } else { return false }
        case "integer": if case .integer = value { return true } else { return false }
        case "float": if case .float = value { return true } else { return false }
        case "number": return value.numeric != nil
        case "string": if case .string = value { return true } else { return false }
        case "mapping": if case .dictionary = value { return true } else { return false }
        case "callable":
            if case .callable = value { return true }
            return false
        case "iterable": return value.isIterable
        case "sequence": return value.isSequence
        case "odd", "even":
            let remainder = try Arithmetic.apply(.remainder, value, .integer(2), budget)
            return try remainder.isEqual(to: .integer(name == "odd" ? 1 : 0), budget)
        case "lower", "upper":
            let text = try value.text(budget)
            let cased = text.unicodeScalars.filter(\.properties.isCased)
            return !cased.isEmpty
                && cased.allSatisfy {
                    name == "lower" ? $0.properties.isLowercase : $0.properties.isUppercase
                }
        case "filter":
            guard let text = value.characters else { return false }
            return FilterName(rawValue: text) != nil
        case "test":
            guard let text = value.characters else { return false }
            return Self.isTest(text)
        case "escaped": return false
        default: throw TemplateError("No test named '\(name)'.")
        }
    }

    private static let comparisonTests: [String: ComparisonOperator] = [
        "eq": .equal, "equalto": .equal, "==": .equal, "ne": .notEqual, "!=": .notEqual, "lt": .less,
        "lessthan": .less, "<": .less, "le": .lessOrEqual, "<=": .lessOrEqual, "gt": .greater,
        "greaterthan": .greater, ">": .greater, "ge": .greaterOrEqual, ">=": .greaterOrEqual,
        "in": .contained,
    ]

    private static func isTest(_ name: String) -> Bool {
        let plain: Set<String> = [
            "defined", "undefined", "none", "boolean", "true", "false", "integer", "float", "number",
            "string",
            "mapping", "callable", "iterable", "sequence", "odd", "even", "lower", "upper", "filter", "test",
            "escaped", "divisibleby", "sameas",
        ]
        return plain.contains(name) || comparisonTests[name] != nil
    }
}

extension TemplateValue {
    var isIterable: Bool {
        switch self {
        case .undefined, .string, .markup, .list, .tuple, .dictionary, .view, .iterator, .loop: true
        case .none, .bool, .integer, .float, .namespace, .callable: false
        }
    }

    /// What has a length and can be indexed, which Python takes to include mappings and Jinja undefined values.
    var isSequence: Bool {
        switch self {
        case .undefined, .string, .markup, .list, .tuple, .dictionary: true
        case .view(let view): if case .range = view.kind { true } else { false }
        default: false
        }
    }
}
