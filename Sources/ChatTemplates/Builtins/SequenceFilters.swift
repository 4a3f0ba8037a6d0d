// Filters that work on the items of a sequence.

extension Interpreter {
    /// The result of a filter on items; nil when the filter is of another kind.
    func sequenceFilter(
        _ filter: FilterName, _ value: TemplateValue, _ arguments: ArgumentValues
    ) throws(TemplateError) -> TemplateValue? {
        func bound(_ parameters: String...) throws(TemplateError) -> [TemplateValue?] {
            try arguments.bound(to: parameters, of: filter.rawValue)
        }
        func items() throws(TemplateError) -> [TemplateValue] {
            let items = try value.iterated()
            try budget.charge(items.count)
            return items
        }
        /// As `items`, for filters that take what is false, such as none, for a sequence without items.
        func itemsIfTrue() throws(TemplateError) -> [TemplateValue] { value.isTrue ? try items() : [] }
        func iterator(_ items: [TemplateValue]) throws(TemplateError) -> TemplateValue {
            .iterator(TemplateIterator(try TemplateList(items, budget)))
        }
        switch filter {
        case .list: return .list(try TemplateList(items(), budget))
        case .first:
            if case .iterator(let iterator) = value {
                return iterator.next() ?? .undefined(.message("No first item, sequence was empty."))
            }
            return try items().first ?? .undefined(.message("No first item, sequence was empty."))
        case .last:
            if case .iterator = value {
                throw TemplateError("'\(value.typeName)' object is not reversible")
            }
            return try items().last ?? .undefined(.message("No last item, sequence was empty."))
        case .items:
            if value.isUndefined { return try iterator([]) }
            guard case .dictionary = value else {
                throw TemplateError("Can only get item pairs from a mapping.")
            }
            return try iterator(
                ContainerMethods.call("items", on: value, ArgumentValues(), budget).iterated())
        case .reverse:
            if case .string(let text) = value {
                try budget.charge(text.utf8.count / 16)
                return .string(String(scalars: text.unicodeScalars.reversed()))
            }
            return .iterator(
                TemplateIterator(
                    try TemplateList(items().reversed(), budget), typeName: "list_reverseiterator"))
        case .sum:
            let given = try bound("attribute", "start")
            var total = given[1] ?? .integer(0)
            for item in try items() {
                let part =
                    if let path = given[0], !path.isNone { try attribute(path: path, of: item) } else { item }
                total = try Arithmetic.apply(.add, total, part, budget)
            }
            return total
        case .min, .max:
            let given = try bound("case_sensitive", "attribute")
            let sorted = try sorted(
                items(), caseSensitive: flag(given[0]), attribute: given[1],
                reversed: filter == .max)
            return sorted.first ?? .undefined(.message("No aggregated item, sequence was empty."))
        case .sort:
            let given = try bound("reverse", "case_sensitive", "attribute")
            let sorted = try sorted(
                items(), caseSensitive: flag(given[1]), attribute: given[2],
                reversed: flag(given[0]))
            return .list(try TemplateList(sorted, budget))
        case .dictsort: return try sortedPairs(value, bound("case_sensitive", "by", "reverse"))
        case .unique:
            let given = try bound("case_sensitive", "attribute")
            return try iterator(unique(items(), caseSensitive: flag(given[0]), given[1]))
        case .map: return try iterator(mapped(itemsIfTrue(), arguments))
        case .select:
            return try iterator(selected(itemsIfTrue(), arguments, byAttribute: false, keeping: true))
        case .reject:
            return try iterator(selected(itemsIfTrue(), arguments, byAttribute: false, keeping: false))
        case .selectattr:
            return try iterator(selected(itemsIfTrue(), arguments, byAttribute: true, keeping: true))
        case .rejectattr:
            return try iterator(selected(itemsIfTrue(), arguments, byAttribute: true, keeping: false))
        case .batch: return try iterator(batches(items(), bound("linecount", "fill_with")))
        case .slice: return try iterator(slices(items(), bound("slices", "fill_with")))
        default: return nil
        }
    }

    /// `item.a.b.0` for the path "a.b.0", or one item for an integer.
    func attribute(path: TemplateValue, of item: TemplateValue) throws(TemplateError) -> TemplateValue {
        guard let text = path.characters else { return try self.item(path, of: item) }
        var value = item
        for part in text.split(separator: ".", omittingEmptySubsequences: false) {
            let key = Int(part).map(TemplateValue.integer) ?? .string(String(part))
            value = try self.item(key, of: value)
        }
        return value
    }

    private func attribute(
        path: TemplateValue?, of item: TemplateValue, caseSensitive: Bool
    ) throws(TemplateError) -> TemplateValue {
        let value = if let path, !path.isNone { try attribute(path: path, of: item) } else { item }
        if !caseSensitive, let text = value.characters { return .string(PythonText.lower(text)) }
        return value
    }

    private func mapped(
        _ items: [TemplateValue], _ arguments: ArgumentValues
    ) throws(TemplateError) -> [TemplateValue] {
        var results: [TemplateValue] = []
        if arguments.positional.isEmpty, let path = arguments["attribute"] {
            let fallback = arguments["default"] ?? .none
            for item in items {
                let value = try attribute(path: path, of: item)
                results.append(value.isUndefined && !fallback.isNone ? fallback : value)
            }
            return results
        }
        guard let name = arguments.positional.first?.characters else {
            throw TemplateError("map requires a filter argument")
        }
        for item in items { results.append(try apply(name, to: item, arguments.dropFirst)) }
        return results
    }

    private func selected(
        _ items: [TemplateValue], _ arguments: ArgumentValues, byAttribute: Bool, keeping: Bool
    ) throws(TemplateError) -> [TemplateValue] {
        var arguments = arguments
        var path: TemplateValue?
        if byAttribute {
            path = arguments.positional.first
            guard path != nil else { throw TemplateError("Missing parameter for attribute name") }
            arguments = arguments.dropFirst
        }
        var kept: [TemplateValue] = []
        for item in items {
            let value = if let path { try attribute(path: path, of: item) } else { item }
            let passes: Bool
            switch arguments.positional.first {
            case nil: passes = value.isTrue
            case .some(let testName):
                guard let name = testName.characters else {
                    throw TemplateError("the name of a test must be a string, found '\(testName.typeName)'")
                }
                passes = try test(name, value, arguments.dropFirst)
            }
            if passes == keeping { kept.append(item) }
        }
        return kept
    }

    private func sorted(
        _ items: [TemplateValue], caseSensitive: Bool, attribute path: TemplateValue?, reversed: Bool
    ) throws(TemplateError) -> [TemplateValue] {
        var paths: [TemplateValue?] = [path]
        if let text = path?.characters, text.contains(",") {
            paths = text.split(separator: ",", omittingEmptySubsequences: false).map { .string(String($0)) }
        }
        var keyed: [(keys: [TemplateValue], item: TemplateValue)] = []
        for item in items {
            var keys: [TemplateValue] = []
            for path in paths {
                keys.append(try attribute(path: path, of: item, caseSensitive: caseSensitive))
            }
            keyed.append((keys, item))
        }
        // A stable sort whose order is reversed keeps equal items in place, as Python's does.
        let ordered = try Sorting.sorted(keyed) { (left, right) throws(TemplateError) in
            for (leftKey, rightKey) in zip(left.keys, right.keys) {
                let order = try leftKey.order(rightKey, operatorText: "<", budget) ?? 0
                if order != 0 { return reversed ? order > 0 : order < 0 }
            }
            return false
        }
        return ordered.map(\.item)
    }

    private func sortedPairs(
        _ value: TemplateValue, _ given: [TemplateValue?]
    ) throws(TemplateError) -> TemplateValue {
        guard case .dictionary = value else {
            throw TemplateError("dictsort needs a mapping, found '\(value.typeName)'")
        }
        let by = try given[1].string("by") ?? "key"
        guard by == "key" || by == "value" else {
            throw TemplateError("You can only sort by either \"key\" or \"value\"")
        }
        let pairs = try ContainerMethods.call("items", on: value, ArgumentValues(), budget).iterated()
        let sorted = try sorted(
            pairs, caseSensitive: flag(given[0]), attribute: .integer(by == "key" ? 0 : 1),
            reversed: flag(given[2]))
        return .list(try TemplateList(sorted, budget))
    }

    private func unique(
        _ items: [TemplateValue], caseSensitive: Bool, _ path: TemplateValue?
    ) throws(TemplateError) -> [TemplateValue] {
        var seen = TemplateDictionary()
        var kept: [TemplateValue] = []
        for item in items {
            let key = try attribute(path: path, of: item, caseSensitive: caseSensitive)
            guard try seen.value(of: key) == nil else { continue }
            try seen.set(key, .none, budget)
            kept.append(item)
        }
        return kept
    }

    private func batches(
        _ items: [TemplateValue], _ given: [TemplateValue?]
    ) throws(TemplateError) -> [TemplateValue] {
        guard let size = try given[0].integer("linecount"), size > 0 else {
            throw TemplateError("batch needs a positive number of items")
        }
        var batches: [TemplateValue] = []
        var start = 0
        while start < items.count {
            var batch = Array(items[start..<(items.count - start > size ? start + size : items.count)])
            start += batch.count
            if let fill = given[1], !fill.isNone {
                try budget.charge(size - batch.count)
                batch += [TemplateValue](repeating: fill, count: size - batch.count)
            }
            batches.append(.list(try TemplateList(batch, budget)))
        }
        return batches
    }

    private func slices(
        _ items: [TemplateValue], _ given: [TemplateValue?]
    ) throws(TemplateError) -> [TemplateValue] {
        guard let count = try given[0].integer("slices"), count > 0 else {
            throw TemplateError("slice needs a positive number of slices")
        }
        try budget.charge(count)
        let (size, longer) = items.count.quotientAndRemainder(dividingBy: count)
        var slices: [TemplateValue] = []
        var start = 0
        for index in 0..<count {
            let end = start + size + (index < longer ? 1 : 0)
            var slice = Array(items[start..<end])
            if let fill = given[1], !fill.isNone, index >= longer { slice.append(fill) }
            slices.append(.list(try TemplateList(slice, budget)))
            start = end
        }
        return slices
    }
}
