// Attributes, items and slices of values, with the order in which the sandbox looks for them.

extension Interpreter {
    /// `value.name`: an attribute or method first, then an item with that key.
    func attribute(_ name: String, of value: TemplateValue) throws(TemplateError) -> TemplateValue {
        if case .undefined(let reason) = value { throw TemplateError(reason.text) }
        if let found = builtinAttribute(name, of: value) { return found }
        if case .dictionary(let dictionary) = value, let item = dictionary[name] { return item }
        return .undefined(.attribute(of: value.objectName, name))
    }

    /// `value[key]`: an item first, then an attribute when the key is a string.
    func item(_ key: TemplateValue, of value: TemplateValue) throws(TemplateError) -> TemplateValue {
        switch value {
        case .undefined(let reason): throw TemplateError(reason.text)
        case .dictionary(let dictionary):
            if let item = try? dictionary.value(of: key) { return item }
        case .list(let list), .tuple(let list):
            if let item = Self.element(key, of: list.items) { return item }
        case .view(let view):
            if case .range = view.kind, let item = Self.element(key, of: view.list.items) { return item }
        case .markup(let text):
            return try item(key, of: .string(text)).marked
        case .string(let text):
            if let index = key.exactInteger {
                try budget.charge(text.utf8.count / 16)
                let scalars = text.unicodeScalars
                let offset = index < 0 ? index + (scalars.count) : index
                if offset >= 0, offset < scalars.count {
                    return .string(String(scalars[scalars.index(scalars.startIndex, offsetBy: offset)]))
                }
            }
        default: break
        }
        if case .undefined(let reason) = key { throw TemplateError(reason.text) }
        guard let name = key.characters else {
            return .undefined(.element(of: value.objectName, try key.representation(budget)))
        }
        return builtinAttribute(name, of: value) ?? .undefined(.attribute(of: value.objectName, name))
    }

    private static func element(_ key: TemplateValue, of items: [TemplateValue]) -> TemplateValue? {
        guard let index = key.exactInteger else { return nil }
        let offset = index < 0 ? index + items.count : index
        return items.indices.contains(offset) ? items[offset] : nil
    }

    private func builtinAttribute(_ name: String, of value: TemplateValue) -> TemplateValue? {
        switch value {
        case .string where StringMethods.names.contains(name),
            .markup where StringMethods.names.contains(name):
            return .callable(.method(of: value, name: name))
        case .dictionary where ["get", "items", "keys", "values", "copy"].contains(name),
            .list where ["count", "index", "copy"].contains(name),
            .tuple where ["count", "index"].contains(name):
            return .callable(.method(of: value, name: name))
        case .string where name.hasPrefix("__"), .dictionary where name.hasPrefix("__"),
            .list where name.hasPrefix("__"):
            return .undefined(.forbidden(of: value.typeName, name))
        case .dictionary where ["clear", "pop", "popitem", "setdefault", "update"].contains(name),
            .list where Self.mutators.contains(name):
            return .undefined(.forbidden(of: value.typeName, name))
        case .namespace(let namespace): return namespace.attributes[name]
        case .loop(let loop): return loop.attribute(name)
        case .callable(.macro(let macro)):
            switch name {
            case "name": return .string(macro.definition.name)
            case "arguments":
                return .tuple(TemplateList(flat: macro.definition.parameters.map { .string($0.name) }))
            default: return nil
            }
        default: return nil
        }
    }

    private static let mutators: Set<String> = [
        "append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove",
    ]
}

enum Slicing {
    /// Python's `operand[start:stop:step]` of strings and sequences.
    static func slice(
        _ operand: TemplateValue, start: TemplateValue?, stop: TemplateValue?, step: TemplateValue?,
        _ budget: RenderBudget
    ) throws(TemplateError) -> TemplateValue {
        let bounds = (
            start: try start.integer("slice index"), stop: try stop.integer("slice index"),
            step: try step.integer("slice step") ?? 1
        )
        guard bounds.step != 0 else { throw TemplateError("slice step cannot be zero") }
        func indices(_ count: Int) -> [Int] {
            Self.indices(count: count, start: bounds.start, stop: bounds.stop, step: bounds.step)
        }
        switch operand {
        case .undefined(let reason): throw TemplateError(reason.text)
        case .markup(let text):
            return try slice(.string(text), start: start, stop: stop, step: step, budget).marked
        case .string(let text):
            try budget.charge(text.utf8.count / 16)
            let scalars = Array(text.unicodeScalars)
            return .string(String(scalars: indices(scalars.count).map { scalars[$0] }))
        case .list(let list):
            try budget.charge(list.items.count / 16)
            return .list(try TemplateList(indices(list.items.count).map { list.items[$0] }, budget))
        case .tuple(let list):
            try budget.charge(list.items.count / 16)
            return .tuple(try TemplateList(indices(list.items.count).map { list.items[$0] }, budget))
        case .view(let view):
            guard case .range = view.kind else { break }
            // Python gives a range again; as a list it prints differently but holds the same numbers.
            return .list(try TemplateList(indices(view.list.items.count).map { view.list.items[$0] }, budget))
        default: break
        }
        return .undefined(.element(of: operand.objectName, "slice"))
    }

    /// The positions a slice selects among `count` items.
    static func indices(count: Int, start: Int?, stop: Int?, step: Int) -> [Int] {
        func clamp(_ bound: Int, _ lower: Int, _ upper: Int) -> Int {
            min(max(bound < 0 ? bound + count : bound, lower), upper)
        }
        var selected: [Int] = []
        if step > 0 {
            let end = stop.map { clamp($0, 0, count) } ?? count
            var index = start.map { clamp($0, 0, count) } ?? 0
            while index < end {
                selected.append(index)
                let (next, overflow) = index.addingReportingOverflow(step)
                if overflow { break }
                index = next
            }
        } else {
            let end = stop.map { clamp($0, -1, count - 1) } ?? -1
            var index = start.map { clamp($0, -1, count - 1) } ?? count - 1
            while index > end {
                selected.append(index)
                let (next, overflow) = index.addingReportingOverflow(step)
                if overflow { break }
                index = next
            }
        }
        return selected
    }
}
