// Filters that make text of their input.

extension Interpreter {
    /// The result of a filter on text; nil when the filter is of another kind.
    func textFilter(
        _ filter: FilterName, _ value: TemplateValue, _ arguments: ArgumentValues
    ) throws(TemplateError) -> TemplateValue? {
        func bound(_ parameters: String...) throws(TemplateError) -> [TemplateValue?] {
            try arguments.bound(to: parameters, of: filter.rawValue)
        }
        func text() throws(TemplateError) -> String {
            let text = try value.text(budget)
            try budget.charge(text.utf8.count / 16)
            return text
        }
        switch filter {
        case .upper: return .string(PythonText.upper(try text()))
        case .lower: return .string(PythonText.lower(try text()))
        case .title: return .string(PythonText.titleWords(try text()))
        case .capitalize: return .string(PythonText.capitalize(try text()))
        case .string:
            _ = try bound()
            return .string(try text())
        case .safe: return .markup(try text())
        case .trim:
            return .string(PythonText.strip(try text(), characters: try bound("chars")[0].string("chars")))
        case .replace:
            let given = try bound("old", "new", "count")
            guard let old = given[0], let new = given[1] else {
                throw TemplateError("replace needs the text to find and its replacement")
            }
            // Jinja takes a count of zero for none given.
            let limit = try given[2].integer("count") ?? -1
            return .string(
                try StringMethods.replace(
                    text(), old.text(budget), new.text(budget), limit: limit, budget))
        case .indent: return .string(try indented(text(), bound("width", "first", "blank")))
        case .escape, .e, .forceescape: return .markup(try Markup.escape(text(), budget))
        case .format:
            let operand: TemplateValue
            if arguments.named.isEmpty {
                operand = .tuple(try TemplateList(arguments.positional, budget))
            } else {
                operand = .dictionary(
                    try TemplateDictionary(arguments.named.map { (.string($0.name), $0.value) }, budget))
            }
            return .string(try PercentFormat.format(text(), operand, budget))
        case .center:
            let width = try bound("width")[0].integer("width") ?? 80
            return .string(try StringMethods.pad(text(), width: width, side: .center, with: " ", budget))
        case .wordcount: return .integer(Self.wordCount(try text()))
        case .truncate:
            return .string(try truncated(text(), bound("length", "killwords", "end", "leeway")))
        case .join: return .string(try joined(value, bound("d", "attribute")))
        default: return nil
        }
    }

    private func joined(_ value: TemplateValue, _ given: [TemplateValue?]) throws(TemplateError) -> String {
        let separator = try given[0]?.text(budget) ?? ""
        var text = ""
        for (index, item) in try value.iterated().enumerated() {
            if index > 0 { text += separator }
            let part = if let path = given[1] { try attribute(path: path, of: item) } else { item }
            text += try part.text(budget)
            try budget.charge(1 + (text.utf8.count >> 20))
            if text.utf8.count > budget.limits.stringBytes { try budget.chargeString(bytes: text.utf8.count) }
        }
        return text
    }

    private func indented(_ text: String, _ given: [TemplateValue?]) throws(TemplateError) -> String {
        let indent: String
        if case .string(let width) = given[0] {
            indent = width
        } else {
            let width = max(0, try given[0].integer("width") ?? 4)
            try budget.chargeString(bytes: width)
            indent = String(repeating: " ", count: width)
        }
        let indentsFirst = flag(given[1])
        let indentsBlank = flag(given[2])
        let lines = PythonText.lines(text + "\n")
        let (bytes, overflow) = indent.utf8.count.multipliedReportingOverflow(by: lines.count)
        try budget.chargeString(bytes: overflow ? .max : bytes)
        var result = indentsFirst ? indent : ""
        for (index, line) in lines.enumerated() {
            if index > 0 { result += "\n" + (indentsBlank || !line.isEmpty ? indent : "") }
            result += line
        }
        return result
    }

    /// Runs of letters, digits and underscores.
    private static func wordCount(_ text: String) -> Int {
        var count = 0
        var inside = false
        for scalar in text.unicodeScalars {
            let properties = scalar.properties
            let isWord = scalar == "_" || properties.isAlphabetic || properties.numericType != nil
            if isWord, !inside { count += 1 }
            inside = isWord
        }
        return count
    }

    private func truncated(_ text: String, _ given: [TemplateValue?]) throws(TemplateError) -> String {
        let length = try given[0].integer("length") ?? 255
        let cutsWords = flag(given[1])
        let end = try given[2].string("end") ?? "..."
        let leeway = try given[3].integer("leeway") ?? 5
        guard length >= end.scalarCount, leeway >= 0 else {
            throw TemplateError("truncate: length \(length) or leeway \(leeway) is too small")
        }
        let scalars = Array(text.unicodeScalars)
        // Compared so that a length near the largest integer cannot overflow.
        if scalars.count - leeway <= length { return text }
        let kept = scalars[..<(length - end.scalarCount)]
        if cutsWords { return String(scalars: kept) + end }
        let whole = kept.lastIndex(of: " ").map { kept[..<$0] } ?? kept
        return String(scalars: whole) + end
    }
}
