// Evaluates expressions.

extension Interpreter {
    func evaluate(_ expression: Expression) throws(TemplateError) -> TemplateValue {
        try budget.enter()
        defer { budget.leave() }
        try budget.charge()
        switch expression.node {
        case .literal(let value): return value
        case .name(let name): return scope[name] ?? .undefined(.name(name))
        case .list(let items): return .list(try TemplateList(evaluate(items), budget))
        case .tuple(let items): return .tuple(try TemplateList(evaluate(items), budget))
        case .dictionary(let entries): return try evaluateDictionary(entries)
        case .not(let operand): return .bool(try !evaluate(operand).isTrue)
        case .and(let left, let right):
            let value = try evaluate(left)
            return value.isTrue ? try evaluate(right) : value
        case .or(let left, let right):
            let value = try evaluate(left)
            return value.isTrue ? value : try evaluate(right)
        case .negate(let operand): return try Arithmetic.negate(evaluate(operand))
        case .positive(let operand): return try positive(evaluate(operand))
        case .binary(let operation, let left, let right):
            return try Arithmetic.apply(operation, evaluate(left), evaluate(right), budget)
        case .concatenate(let parts): return try concatenate(parts)
        case .compare(let left, let steps): return try compare(left, steps)
        case .conditional(let test, let then, let otherwise, let line):
            if try evaluate(test).isTrue { return try evaluate(then) }
            if let otherwise { return try evaluate(otherwise) }
            return .undefined(
                .message(
                    "the inline if-expression on line \(line) evaluated to false and no else section was defined."
                ))
        case .attribute(let owner, let name): return try attribute(name, of: evaluate(owner))
        case .item(let owner, let key): return try item(evaluate(key), of: evaluate(owner))
        case .slice(let operand, let start, let stop, let step):
            return try Slicing.slice(
                evaluate(operand), start: evaluateBound(start), stop: evaluateBound(stop),
                step: evaluateBound(step), budget)
        case .call(let callee, let arguments):
            let function = try evaluate(callee)
            return try call(function, evaluate(arguments))
        case .filter(let operand, let filter):
            return try apply([filter], to: evaluate(operand))
        case .test(let operand, let name, let arguments, let negated):
            let result = try test(name, evaluate(operand), evaluate(arguments))
            return .bool(result != negated)
        }
    }

    private func evaluate(_ expressions: [Expression]) throws(TemplateError) -> [TemplateValue] {
        var values: [TemplateValue] = []
        values.reserveCapacity(expressions.count)
        for expression in expressions { values.append(try evaluate(expression)) }
        return values
    }

    func evaluate(_ arguments: CallArguments) throws(TemplateError) -> ArgumentValues {
        var values = ArgumentValues(positional: try evaluate(arguments.positional))
        for argument in arguments.named { values.named.append((argument.name, try evaluate(argument.value))) }
        if let splat = arguments.positionalSplat { values.positional += try evaluate(splat).iterated() }
        if let splat = arguments.namedSplat {
            guard case .dictionary(let dictionary) = try evaluate(splat) else {
                throw TemplateError("an argument after ** must be a mapping")
            }
            for entry in dictionary.entries {
                guard let name = entry.key.characters else {
                    throw TemplateError("keywords must be strings")
                }
                values.named.append((name, entry.value))
            }
        }
        return values
    }

    func apply(_ filters: [FilterCall], to value: TemplateValue) throws(TemplateError) -> TemplateValue {
        var value = value
        for filter in filters { value = try apply(filter.name, to: value, evaluate(filter.arguments)) }
        return value
    }

    private func evaluateBound(_ expression: Expression?) throws(TemplateError) -> TemplateValue? {
        guard let expression else { return nil }
        return try evaluate(expression)
    }

    private func evaluateDictionary(
        _ entries: [(key: Expression, value: Expression)]
    ) throws(TemplateError) -> TemplateValue {
        var dictionary = TemplateDictionary()
        for entry in entries {
            let key = try evaluate(entry.key)
            try dictionary.set(key, evaluate(entry.value), budget)
        }
        return .dictionary(dictionary)
    }

    private func positive(_ value: TemplateValue) throws(TemplateError) -> TemplateValue {
        switch value {
        case .float: return value
        case .undefined(let reason): throw TemplateError(reason.text)
        default:
            guard let number = value.exactInteger else {
                throw TemplateError("bad operand type for unary +: '\(value.typeName)'")
            }
            return .integer(number)
        }
    }

    private func concatenate(_ parts: [Expression]) throws(TemplateError) -> TemplateValue {
        var text = ""
        for part in parts {
            text += try evaluate(part).text(budget)
            try budget.chargeString(bytes: text.utf8.count)
        }
        return .string(text)
    }

    /// A chain `a < b < c` evaluates each operand once, and stops at the first comparison that fails.
    private func compare(
        _ first: Expression, _ steps: [(operation: ComparisonOperator, right: Expression)]
    ) throws(TemplateError) -> TemplateValue {
        var left = try evaluate(first)
        for step in steps {
            let right = try evaluate(step.right)
            guard try compare(left, step.operation, right) else { return .bool(false) }
            left = right
        }
        return .bool(true)
    }

    func compare(
        _ left: TemplateValue, _ operation: ComparisonOperator, _ right: TemplateValue
    ) throws(TemplateError) -> Bool {
        switch operation {
        case .equal: return try left.isEqual(to: right, budget)
        case .notEqual: return try !left.isEqual(to: right, budget)
        case .contained: return try right.contains(left, budget)
        case .notContained: return try !right.contains(left, budget)
        case .less, .lessOrEqual, .greater, .greaterOrEqual:
            guard let order = try left.order(right, operatorText: operation.rawValue, budget) else {
                return false
            }
            return switch operation {
            case .less: order < 0
            case .lessOrEqual: order <= 0
            case .greater: order > 0
            default: order >= 0
            }
        }
    }
}
