// The methods of Python's `str` that templates call.

enum StringMethods {
    static let names: Set<String> = [
        "capitalize", "casefold", "center", "count", "endswith", "expandtabs", "find", "format", "index",
        "isalnum",
        "isalpha", "isascii", "isdecimal", "isdigit", "islower", "isnumeric", "isspace", "istitle", "isupper",
        "join", "ljust", "lower", "lstrip", "partition", "removeprefix", "removesuffix", "replace", "rfind",
        "rindex", "rjust", "rpartition", "rsplit", "rstrip", "split", "splitlines", "startswith", "strip",
        "swapcase", "title", "upper", "zfill",
    ]

    static func call(
        _ name: String, on text: String, _ arguments: ArgumentValues, _ interpreter: Interpreter
    ) throws(TemplateError) -> TemplateValue {
        let budget = interpreter.budget
        try budget.charge(1 + text.utf8.count / 16)
        func bound(_ parameters: String...) throws(TemplateError) -> [TemplateValue?] {
            try arguments.bound(to: parameters, of: name)
        }
        func required(_ value: TemplateValue?, _ parameter: String) throws(TemplateError) -> String {
            guard let text = try value.string(parameter) else {
                throw TemplateError("\(name)() needs a string for '\(parameter)'")
            }
            return text
        }
        func list(_ parts: [String]) throws(TemplateError) -> TemplateValue {
            try budget.charge(parts.count)
            return .list(TemplateList(flat: parts.map(TemplateValue.string)))
        }
        switch name {
        case "upper": return .string(PythonText.upper(text))
        case "lower", "casefold": return .string(PythonText.lower(text))
        case "title": return .string(PythonText.title(text))
        case "capitalize": return .string(PythonText.capitalize(text))
        case "swapcase": return .string(PythonText.swapCase(text))
        case "strip", "lstrip", "rstrip":
            let characters = try bound("chars")[0].string("chars")
            return .string(
                PythonText.strip(
                    text, characters: characters, leading: name != "rstrip", trailing: name != "lstrip"))
        case "split", "rsplit":
            let given = try bound("sep", "maxsplit")
            return try list(
                split(
                    text, separator: given[0].string("sep"), limit: given[1].integer("maxsplit") ?? -1,
                    fromEnd: name == "rsplit"))
        case "splitlines":
            let keeps = try bound("keepends")[0]?.isTrue ?? false
            return try list(PythonText.lines(text, keepingEnds: keeps))
        case "partition", "rpartition":
            let separator = try required(bound("sep")[0], "sep")
            return .tuple(TemplateList(flat: try partition(text, separator, fromEnd: name == "rpartition")))
        case "startswith", "endswith":
            return .bool(try hasAffix(text, bound("prefix", "start", "end"), atEnd: name == "endswith"))
        case "removeprefix", "removesuffix":
            let affix = try required(bound("prefix")[0], "prefix")
            let bytes = Array(text.utf8)
            if name == "removeprefix" {
                return .string(
                    bytes.starts(with: affix.utf8) ? String(bytes: bytes.dropFirst(affix.utf8.count)) : text)
            }
            let matches = !affix.isEmpty && bytes.reversed().starts(with: affix.utf8.reversed())
            return .string(matches ? String(bytes: bytes.dropLast(affix.utf8.count)) : text)
        case "replace":
            let given = try bound("old", "new", "count")
            return .string(
                try replace(
                    text, required(given[0], "old"), required(given[1], "new"),
                    limit: given[2].integer("count") ?? -1, emptyLimitMeansNone: true, budget))
        case "find", "rfind", "index", "rindex":
            let position = try find(text, bound("sub", "start", "end"), fromEnd: name.hasPrefix("r"))
            if position < 0, name.hasSuffix("index") { throw TemplateError("substring not found") }
            return .integer(position)
        case "count":
            let given = try bound("sub", "start", "end")
            let (part, _) = try window(text, given[1], given[2])
            let needle = try required(given[0], "sub")
            if needle.isEmpty { return .integer(part.count + 1) }
            let bytes = Array(String(scalars: part).utf8)
            return .integer(PythonText.occurrences(of: Array(needle.utf8), in: bytes).count)
        case "join":
            var joined = ""
            for (index, item) in try (bound("iterable")[0] ?? .none).iterated().enumerated() {
                guard let part = item.characters else {
                    throw TemplateError(
                        "sequence item \(index): expected str instance, \(item.typeName) found")
                }
                joined += (index > 0 ? text : "") + part
                try budget.chargeString(bytes: joined.utf8.count > 1 << 16 ? joined.utf8.count : 0)
                try budget.charge()
            }
            return .string(joined)
        case "center", "ljust", "rjust":
            let given = try bound("width", "fillchar")
            let fill = try given[1].string("fillchar") ?? " "
            guard fill.scalarCount == 1 else {
                throw TemplateError("The fill character must be exactly one character long")
            }
            let side: Side = name == "center" ? .center : (name == "ljust" ? .left : .right)
            return .string(
                try pad(text, width: given[0].integer("width") ?? 0, side: side, with: fill, budget))
        case "zfill":
            let width = try bound("width")[0].integer("width") ?? 0
            let signed = text.hasPrefix("-") || text.hasPrefix("+")
            let digits = String(text.unicodeScalars.dropFirst(signed ? 1 : 0))
            let padded = try pad(
                digits, width: max(0, width) - (signed ? 1 : 0), side: .right, with: "0", budget)
            return .string((signed ? String(text.prefix(1)) : "") + padded)
        case "expandtabs":
            return .string(try expandTabs(text, size: bound("tabsize")[0].integer("tabsize") ?? 8, budget))
        case "format": return .string(try BraceFormat.format(text, arguments, interpreter))
        default:
            _ = try bound()
            return .bool(try PythonText.test(name, text))
        }
    }
}
