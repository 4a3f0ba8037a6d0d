// Text marked as HTML by `safe` or `escape`: what is joined to it is escaped, even where nothing else is.

extension TemplateValue {
    /// The value without the mark, for operations that take marked text like any other.
    var plain: TemplateValue { if case .markup(let text) = self { .string(text) } else { self } }

    /// A text that has the mark, or could have it.
    var characters: String? {
        switch self {
        case .string(let text), .markup(let text): text
        default: nil
        }
    }

    /// The result of an operation on marked text: texts in it have the mark.
    var marked: TemplateValue {
        switch self {
        case .string(let text): .markup(text)
        case .list(let list): .list(TemplateList(flat: list.items.map(\.marked)))
        case .tuple(let list): .tuple(TemplateList(flat: list.items.map(\.marked)))
        default: self
        }
    }

    /// Marked text as it is, other text escaped, other values unchanged.
    func escaped(_ budget: RenderBudget) throws(TemplateError) -> TemplateValue {
        guard case .string(let text) = self else { return self }
        return .markup(try Markup.escape(text, budget))
    }
}

enum Markup {
    static func escape(_ text: String, _ budget: RenderBudget) throws(TemplateError) -> String {
        try budget.chargeString(bytes: text.utf8.count * 2)
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "'": result += "&#39;"
            case "\"": result += "&#34;"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    /// `left operation right` where at least one of the two is marked; nil when the mark makes no difference.
    static func apply(
        _ operation: BinaryOperator, _ left: TemplateValue, _ right: TemplateValue, _ budget: RenderBudget
    ) throws(TemplateError) -> TemplateValue? {
        switch (operation, left, right) {
        case (.add, _, _):
            let (left, right) = (try left.escaped(budget), try right.escaped(budget))
            guard left.characters != nil, right.characters != nil else { return nil }
            return try Arithmetic.apply(.add, left.plain, right.plain, budget).marked
        case (.multiply, _, _):
            return try Arithmetic.apply(.multiply, left.plain, right.plain, budget).marked
        case (.remainder, .markup, .tuple(let list)):
            var items: [TemplateValue] = []
            for item in list.items { items.append(try item.escaped(budget).plain) }
            let operand = TemplateValue.tuple(try TemplateList(items, budget))
            return try Arithmetic.apply(.remainder, left.plain, operand, budget).marked
        case (.remainder, .markup, _):
            return try Arithmetic.apply(.remainder, left.plain, right.escaped(budget).plain, budget).marked
        default: return nil
        }
    }

    /// Methods whose text arguments end up in the result.
    private static let escapingMethods: Set<String> = [
        "replace", "join", "format", "center", "ljust", "rjust",
    ]
    /// Methods that give texts.
    private static let textMethods: Set<String> = [
        "capitalize", "casefold", "expandtabs", "lower", "lstrip", "partition", "removeprefix",
        "removesuffix", "rpartition", "rsplit", "rstrip", "split", "splitlines", "strip", "swapcase", "title",
        "upper", "zfill",
    ]

    static func call(
        _ name: String, on text: String, _ arguments: ArgumentValues, _ interpreter: Interpreter
    ) throws(TemplateError) -> TemplateValue {
        guard escapingMethods.contains(name) else {
            let result = try StringMethods.call(name, on: text, arguments, interpreter)
            return textMethods.contains(name) ? result.marked : result
        }
        var escaped = ArgumentValues()
        for (index, value) in arguments.positional.enumerated() {
            // What `replace` searches for is taken as it is.
            let searches = name == "replace" && index == 0
            escaped.positional.append(searches ? value : try escape(value, interpreter.budget))
        }
        for argument in arguments.named {
            escaped.named.append((argument.name, try escape(argument.value, interpreter.budget)))
        }
        return try StringMethods.call(name, on: text, escaped, interpreter).marked
    }

    /// A text, or the texts of a list, escaped.
    private static func escape(
        _ value: TemplateValue, _ budget: RenderBudget
    ) throws(TemplateError) -> TemplateValue {
        guard case .list(let list) = value else { return try value.escaped(budget).plain }
        var items: [TemplateValue] = []
        for item in list.items { items.append(try item.escaped(budget).plain) }
        return .list(try TemplateList(items, budget))
    }
}
