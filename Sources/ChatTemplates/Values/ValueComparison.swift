// Equality, order and membership, with Python's rules.

extension TemplateValue {
    /// Numbers and booleans as one number; nil for other values.
    private var asNumber: PythonNumberValue? {
        switch self {
        case .bool(let value): .integer(value ? 1 : 0)
        case .integer(let value): .integer(value)
        case .float(let value): .float(value)
        default: nil
        }
    }

    private enum PythonNumberValue {
        case integer(Int)
        case float(Double)
    }

    /// Python's `==`.
    func isEqual(to other: TemplateValue, _ budget: RenderBudget) throws(TemplateError) -> Bool {
        try budget.enter()
        defer { budget.leave() }
        try budget.charge()
        if let left = asNumber, let right = other.asNumber {
            return switch (left, right) {
            case (.integer(let left), .integer(let right)): left == right
            case (.float(let left), .float(let right)): left == right
            case (.integer(let left), .float(let right)): Int(exactly: right) == left
            case (.float(let left), .integer(let right)): Int(exactly: left) == right
            }
        }
        switch (plain, other.plain) {
        case (.undefined, .undefined), (.none, .none): return true
        case (.string(let left), .string(let right)):
            try budget.charge(min(left.utf8.count, right.utf8.count) / 64)
            return left.isIdentical(to: right)
        case (.list(let left), .list(let right)), (.tuple(let left), .tuple(let right)):
            return try Self.areEqual(left.items, right.items, budget)
        case (.view(let left), .view(let right)):
            guard typeName == other.typeName else { return false }
            return try Self.areEqual(left.list.items, right.list.items, budget)
        case (.dictionary(let left), .dictionary(let right)):
            guard left.count == right.count else { return false }
            for entry in left.entries {
                guard let value = try right.value(of: entry.key), try entry.value.isEqual(to: value, budget)
                else { return false }
            }
            return true
        case (.namespace(let left), .namespace(let right)): return left === right
        case (.iterator(let left), .iterator(let right)): return left === right
        case (.loop(let left), .loop(let right)): return left === right
        default: return false
        }
    }

    private static func areEqual(
        _ left: [TemplateValue], _ right: [TemplateValue], _ budget: RenderBudget
    ) throws(TemplateError) -> Bool {
        guard left.count == right.count else { return false }
        for (index, item) in left.enumerated() {
            guard try item.isEqual(to: right[index], budget) else { return false }
        }
        return true
    }

    /// -1, 0 or 1, or nil when a NaN is compared; an error for values without an order, naming the operator.
    func order(
        _ other: TemplateValue, operatorText: String, _ budget: RenderBudget
    ) throws(TemplateError) -> Int? {
        try budget.enter()
        defer { budget.leave() }
        try budget.charge()
        if case .undefined(let reason) = self { throw TemplateError(reason.text) }
        if case .undefined(let reason) = other { throw TemplateError(reason.text) }
        if let left = asNumber, let right = other.asNumber {
            switch (left, right) {
            case (.integer(let left), .integer(let right)): return left < right ? -1 : (left == right ? 0 : 1)
            case (.float(let left), .float(let right)): return Self.order(left, right)
            case (.integer(let left), .float(let right)): return Self.order(Double(left), right)
            case (.float(let left), .integer(let right)): return Self.order(left, Double(right))
            }
        }
        switch (plain, other.plain) {
        case (.string(let left), .string(let right)):
            try budget.charge(min(left.utf8.count, right.utf8.count) / 64)
            // UTF-8 keeps the order of code points.
            if left.utf8.lexicographicallyPrecedes(right.utf8) { return -1 }
            return left.isIdentical(to: right) ? 0 : 1
        case (.list(let left), .list(let right)), (.tuple(let left), .tuple(let right)):
            for (leftItem, rightItem) in zip(left.items, right.items) {
                guard try !leftItem.isEqual(to: rightItem, budget) else { continue }
                return try leftItem.order(rightItem, operatorText: operatorText, budget)
            }
            let (leftCount, rightCount) = (left.items.count, right.items.count)
            return leftCount < rightCount ? -1 : (leftCount == rightCount ? 0 : 1)
        default:
            throw TemplateError(
                "'\(operatorText)' not supported between instances of '\(typeName)' and '\(other.typeName)'")
        }
    }

    private static func order(_ left: Double, _ right: Double) -> Int? {
        if left.isNaN || right.isNaN { return nil }
        return left < right ? -1 : (left == right ? 0 : 1)
    }

    /// Python's `item in self`.
    func contains(_ item: TemplateValue, _ budget: RenderBudget) throws(TemplateError) -> Bool {
        switch plain {
        case .string(let text):
            guard let needle = item.characters else {
                throw TemplateError(
                    "'in <string>' requires string as left operand, not \(item.typeName)")
            }
            try budget.charge(text.utf8.count / 16)
            return PythonText.contains(text, needle)
        case .dictionary(let dictionary):
            return try dictionary.value(of: item) != nil
        case .undefined: return false
        default:
            guard let items = try? iterated() else {
                throw TemplateError("argument of type '\(typeName)' is not iterable")
            }
            for candidate in items where try candidate.isEqual(to: item, budget) { return true }
            return false
        }
    }

    /// The items that a `for` loop over this value sees.
    func iterated() throws(TemplateError) -> [TemplateValue] {
        switch self {
        case .undefined: return []
        case .string(let text), .markup(let text):
            return text.unicodeScalars.map { .string(String($0)) }
        case .list(let list), .tuple(let list): return list.items
        case .dictionary(let dictionary): return dictionary.keys
        case .view(let view): return view.list.items
        case .iterator(let iterator): return iterator.drain()
        case .none, .bool, .integer, .float, .namespace, .loop, .callable:
            throw TemplateError("'\(typeName)' object is not iterable")
        }
    }
}
