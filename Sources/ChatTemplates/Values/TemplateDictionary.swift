// Python's dict: insertion order, keys that are strings (by their bytes), numbers, booleans or none.

struct TemplateDictionary {
    private(set) var entries: [(key: TemplateValue, value: TemplateValue)] = []
    private(set) var depth = 1
    /// Built when a linear search would no longer be quick; messages have a handful of keys.
    private var positions: [Key: Int]?

    private static let linearSearchLimit = 12

    /// A key in the form in which equal keys are equal: 1, 1.0 and true are one key in Python.
    private enum Key: Hashable {
        case text([UInt8])
        case number(Double)
        case integer(Int)
        case none

        init?(_ value: TemplateValue) {
            switch value {
            case .string(let text), .markup(let text): self = .text(Array(text.utf8))
            case .integer(let number): self = .integer(number)
            case .bool(let flag): self = .integer(flag ? 1 : 0)
            case .float(let number): self = Int(exactly: number).map { .integer($0) } ?? .number(number)
            case .none: self = .none
            default: return nil
            }
        }
    }

    init() {}

    init(
        _ entries: [(key: TemplateValue, value: TemplateValue)], _ budget: RenderBudget
    ) throws(TemplateError) {
        for entry in entries { try set(entry.key, entry.value, budget) }
    }

    var count: Int { entries.count }
    var values: [TemplateValue] { entries.map(\.value) }
    var keys: [TemplateValue] { entries.map(\.key) }

    subscript(text: String) -> TemplateValue? { position(of: text).map { entries[$0].value } }

    /// The value of a key; an unhashable key is an error, as in Python.
    func value(of key: TemplateValue) throws(TemplateError) -> TemplateValue? {
        if let text = key.characters { return self[text] }
        guard let wanted = Key(key) else { throw unhashable(key) }
        if let positions { return positions[wanted].map { entries[$0].value } }
        return entries.first { Key($0.key) == wanted }?.value
    }

    mutating func set(
        _ key: TemplateValue, _ value: TemplateValue, _ budget: RenderBudget
    ) throws(TemplateError) {
        guard let wanted = Key(key) else { throw unhashable(key) }
        try budget.charge()
        guard value.depth < budget.limits.valueDepth else {
            throw TemplateError("values nest more than \(budget.limits.valueDepth) deep", kind: .limit)
        }
        depth = max(depth, value.depth + 1)
        let existing: Int? =
            if let positions { positions[wanted] } else { entries.firstIndex { Key($0.key) == wanted } }
        if let existing {
            entries[existing].value = value
            return
        }
        entries.append((key.plain, value))
        if positions != nil {
            positions?[wanted] = entries.count - 1
        } else if entries.count > Self.linearSearchLimit {
            var built: [Key: Int] = [:]
            for (position, entry) in entries.enumerated() {
                if let key = Key(entry.key) { built[key] = position }
            }
            positions = built
        }
    }

    private func position(of text: String) -> Int? {
        if let positions { return positions[.text(Array(text.utf8))] }
        return entries.firstIndex {
            if case .string(let key) = $0.key { key.isIdentical(to: text) } else { false }
        }
    }

    private func unhashable(_ key: TemplateValue) -> TemplateError {
        TemplateError("unhashable type: '\(key.typeName)' (keys are strings, numbers, true, false or none)")
    }
}
