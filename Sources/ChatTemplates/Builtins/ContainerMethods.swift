// The methods of dictionaries, lists and tuples that the sandbox allows: those that change nothing.

enum ContainerMethods {
    static func call(
        _ name: String, on receiver: TemplateValue, _ arguments: ArgumentValues, _ budget: RenderBudget
    ) throws(TemplateError) -> TemplateValue {
        func bound(_ parameters: String...) throws(TemplateError) -> [TemplateValue?] {
            try arguments.bound(to: parameters, of: name)
        }
        switch (name, receiver) {
        case ("copy", _):
            _ = try bound()
            return receiver
        case ("get", .dictionary(let dictionary)):
            let given = try bound("key", "default")
            guard let key = given[0] else { throw TemplateError("get expected at least 1 argument, got 0") }
            return try dictionary.value(of: key) ?? given[1] ?? .none
        case ("keys", .dictionary(let dictionary)):
            _ = try bound()
            try budget.charge(dictionary.count)
            return .view(SequenceView(kind: .keys, list: TemplateList(flat: dictionary.keys)))
        case ("values", .dictionary(let dictionary)):
            _ = try bound()
            return .view(SequenceView(kind: .values, list: try TemplateList(dictionary.values, budget)))
        case ("items", .dictionary(let dictionary)):
            _ = try bound()
            var pairs: [TemplateValue] = []
            for entry in dictionary.entries {
                pairs.append(.tuple(try TemplateList([entry.key, entry.value], budget)))
            }
            return .view(SequenceView(kind: .items, list: try TemplateList(pairs, budget)))
        case ("count", .list(let list)), ("count", .tuple(let list)):
            guard let wanted = try bound("value")[0] else { throw TemplateError("count() needs a value") }
            var count = 0
            for item in list.items where try item.isEqual(to: wanted, budget) { count += 1 }
            return .integer(count)
        case ("index", .list(let list)), ("index", .tuple(let list)):
            guard let wanted = try bound("value")[0] else { throw TemplateError("index() needs a value") }
            for (index, item) in list.items.enumerated() where try item.isEqual(to: wanted, budget) {
                return .integer(index)
            }
            throw TemplateError("\(try wanted.representation(budget)) is not in \(receiver.typeName)")
        default:
            throw TemplateError("the method '\(name)' of '\(receiver.typeName)' is not supported")
        }
    }
}
