// Arithmetic with Python's rules: floored division, integers that stay integers, strings and lists that concatenate.

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

enum BinaryOperator: String {
    case add = "+"
    case subtract = "-"
    case multiply = "*"
    case divide = "/"
    case floorDivide = "//"
    case remainder = "%"
    case power = "**"
}

enum Arithmetic {
    static func apply(
        _ operation: BinaryOperator, _ left: TemplateValue, _ right: TemplateValue, _ budget: RenderBudget
    ) throws(TemplateError) -> TemplateValue {
        if case .undefined(let reason) = left { throw TemplateError(reason.text) }
        if case .undefined(let reason) = right {
            // Only formatting accepts one: it prints as nothing.
            guard case (.remainder, .string) = (operation, left) else { throw TemplateError(reason.text) }
        }
        if let (left, right) = integers(left, right) { return try apply(operation, left, right) }
        if let (left, right) = (floats(left, right)) { return try apply(operation, left, right) }
        switch (left, right) {
        case (.markup, _), (_, .markup):
            if let result = try Markup.apply(operation, left, right, budget) { return result }
            return try apply(operation, left.plain, right.plain, budget)
        default: break
        }
        switch (operation, left, right) {
        case (.add, .string(let left), .string(let right)):
            try budget.chargeString(bytes: left.utf8.count + right.utf8.count)
            return .string(left + right)
        case (.add, .list(let left), .list(let right)):
            try budget.charge(left.items.count + right.items.count)
            return .list(try TemplateList(left.items + right.items, budget))
        case (.add, .tuple(let left), .tuple(let right)):
            try budget.charge(left.items.count + right.items.count)
            return .tuple(try TemplateList(left.items + right.items, budget))
        case (.multiply, let value, .integer(let count)), (.multiply, .integer(let count), let value):
            if let result = try repeated(value, count, budget) { return result }
        case (.multiply, let value, .bool(let flag)), (.multiply, .bool(let flag), let value):
            if let result = try repeated(value, flag ? 1 : 0, budget) { return result }
        case (.remainder, .string(let format), _):
            return .string(try PercentFormat.format(format, right, budget))
        case (.add, .string, _):
            throw TemplateError("can only concatenate str (not \"\(right.typeName)\") to str")
        case (.add, .list, _):
            throw TemplateError("can only concatenate list (not \"\(right.typeName)\") to list")
        default: break
        }
        let name = operation == .power ? "** or pow()" : operation.rawValue
        throw TemplateError(
            "unsupported operand type(s) for \(name): '\(left.typeName)' and '\(right.typeName)'")
    }

    static func negate(_ value: TemplateValue) throws(TemplateError) -> TemplateValue {
        switch value {
        case .bool(let flag): return .integer(flag ? -1 : 0)
        case .integer(let number):
            let (result, overflow) = 0.subtractingReportingOverflow(number)
            if overflow { throw tooLarge }
            return .integer(result)
        case .float(let number): return .float(-number)
        case .undefined(let reason): throw TemplateError(reason.text)
        default: throw TemplateError("bad operand type for unary -: '\(value.typeName)'")
        }
    }

    static var tooLarge: TemplateError { TemplateError("an integer of more than 64 bits") }

    private static func integers(_ left: TemplateValue, _ right: TemplateValue) -> (Int, Int)? {
        guard let left = left.exactInteger, let right = right.exactInteger else { return nil }
        return (left, right)
    }

    private static func floats(_ left: TemplateValue, _ right: TemplateValue) -> (Double, Double)? {
        guard let left = left.numeric, let right = right.numeric else { return nil }
        return (left, right)
    }

    private static func apply(
        _ operation: BinaryOperator, _ left: Int, _ right: Int
    ) throws(TemplateError) -> TemplateValue {
        let result: (partialValue: Int, overflow: Bool)
        switch operation {
        case .add: result = left.addingReportingOverflow(right)
        case .subtract: result = left.subtractingReportingOverflow(right)
        case .multiply: result = left.multipliedReportingOverflow(by: right)
        case .divide:
            guard right != 0 else { throw TemplateError("division by zero") }
            return .float(Double(left) / Double(right))
        case .floorDivide, .remainder:
            guard right != 0 else { throw TemplateError("integer division or modulo by zero") }
            let (quotient, overflow) = left.dividedReportingOverflow(by: right)
            if overflow { throw tooLarge }
            let remainder = left - quotient * right
            let adjust = remainder != 0 && (remainder < 0) != (right < 0)
            return .integer(
                operation == .remainder
                    ? remainder + (adjust ? right : 0) : quotient - (adjust ? 1 : 0))
        case .power:
            if right < 0 {
                guard left != 0 else { throw TemplateError("0.0 cannot be raised to a negative power") }
                return .float(pow(Double(left), Double(right)))
            }
            return .integer(try power(left, right))
        }
        if result.overflow { throw tooLarge }
        return .integer(result.partialValue)
    }

    private static func power(_ base: Int, _ exponent: Int) throws(TemplateError) -> Int {
        if base == 0 || base == 1 { return exponent == 0 ? 1 : base }
        if base == -1 { return exponent % 2 == 0 ? 1 : -1 }
        guard exponent < 64 else { throw tooLarge }
        var result = 1
        for _ in 0..<exponent {
            let (product, overflow) = result.multipliedReportingOverflow(by: base)
            if overflow { throw tooLarge }
            result = product
        }
        return result
    }

    private static func apply(
        _ operation: BinaryOperator, _ left: Double, _ right: Double
    ) throws(TemplateError) -> TemplateValue {
        switch operation {
        case .add: return .float(left + right)
        case .subtract: return .float(left - right)
        case .multiply: return .float(left * right)
        case .divide:
            guard right != 0 else { throw TemplateError("float division by zero") }
            return .float(left / right)
        case .floorDivide, .remainder:
            guard right != 0 else {
                throw TemplateError(
                    operation == .remainder ? "float modulo" : "float floor division by zero")
            }
            var remainder = fmod(left, right)
            if remainder != 0, (remainder < 0) != (right < 0) { remainder += right }
            return .float(operation == .remainder ? remainder : ((left - remainder) / right).rounded())
        case .power:
            if left == 0, right < 0 { throw TemplateError("0.0 cannot be raised to a negative power") }
            return .float(pow(left, right))
        }
    }

    /// `'ab' * 3` and `[1] * 3`; nil for other values.
    private static func repeated(
        _ value: TemplateValue, _ count: Int, _ budget: RenderBudget
    ) throws(TemplateError) -> TemplateValue? {
        let count = max(0, count)
        switch value {
        case .string(let text):
            let (bytes, overflow) = text.utf8.count.multipliedReportingOverflow(by: count)
            try budget.chargeString(bytes: overflow ? .max : bytes)
            return .string(text.isEmpty ? "" : String(repeating: text, count: count))
        case .list(let list), .tuple(let list):
            let (length, overflow) = list.items.count.multipliedReportingOverflow(by: count)
            try budget.charge(overflow ? budget.limits.work : length)
            var items: [TemplateValue] = []
            for _ in 0..<(list.items.isEmpty ? 0 : count) { items += list.items }
            let result = try TemplateList(items, budget)
            if case .list = value { return .list(result) }
            return .tuple(result)
        default: return nil
        }
    }
}

extension TemplateValue {
    /// Integers and booleans, which are integers in Python.
    var exactInteger: Int? {
        switch self {
        case .bool(let flag): flag ? 1 : 0
        case .integer(let number): number
        default: nil
        }
    }

    var numeric: Double? {
        if case .float(let number) = self { number } else { exactInteger.map(Double.init) }
    }
}
