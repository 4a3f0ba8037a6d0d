// Python's `'...' % values`, as far as templates use it: s r d i f x X o c and %, with flags, width and precision.

struct PercentFormat {
    private let scalars: [Unicode.Scalar]
    private var position = 0
    private var operands: [TemplateValue]
    private let mapping: TemplateDictionary?
    private var nextOperand = 0
    private let budget: RenderBudget

    private struct Field {
        var leftAligned = false, signed = false, spaced = false, zeroPadded = false
        var width = 0
        var precision: Int?
    }

    static func format(
        _ format: String, _ operand: TemplateValue, _ budget: RenderBudget
    ) throws(TemplateError) -> String {
        var formatter = PercentFormat(format, operand, budget)
        return try formatter.run()
    }

    private init(_ format: String, _ operand: TemplateValue, _ budget: RenderBudget) {
        scalars = Array(format.unicodeScalars)
        self.budget = budget
        if case .tuple(let list) = operand { operands = list.items } else { operands = [operand] }
        if case .dictionary(let dictionary) = operand { mapping = dictionary } else { mapping = nil }
    }

    private mutating func run() throws(TemplateError) -> String {
        var result = ""
        while position < scalars.count {
            let scalar = scalars[position]
            position += 1
            if scalar != "%" {
                result.unicodeScalars.append(scalar)
            } else {
                result += try readField()
                try budget.charge()
                try budget.chargeString(bytes: result.utf8.count > 1 << 16 ? result.utf8.count : 0)
            }
        }
        if nextOperand < operands.count, mapping == nil {
            throw TemplateError("not all arguments converted during string formatting")
        }
        return result
    }

    private mutating func readField() throws(TemplateError) -> String {
        var value: TemplateValue?
        if current == "(" {
            let end = scalars[position...].firstIndex(of: ")")
            guard let end, let mapping else { throw TemplateError("format requires a mapping") }
            let key = String(scalars: scalars[(position + 1)..<end])
            guard let found = mapping[key] else {
                throw TemplateError("the format needs the key \(PythonText.representation(key))")
            }
            value = found
            position = end + 1
        }
        var field = Field()
        flags: while let flag = current {
            switch flag {
            case "-": field.leftAligned = true
            case "+": field.signed = true
            case " ": field.spaced = true
            case "0": field.zeroPadded = true
            case "#": break
            default: break flags
            }
            position += 1
        }
        field.width = try readNumber()
        if current == "." {
            position += 1
            field.precision = try readNumber()
        }
        guard let type = current else { throw TemplateError("incomplete format") }
        position += 1
        if type == "%" { return "%" }
        let operand = if let value { value } else { try operand() }
        let converted = try convert(type, operand, field)
        return try pad(converted, field, isNumber: type != "s" && type != "r")
    }

    private var current: Unicode.Scalar? { position < scalars.count ? scalars[position] : nil }

    private mutating func readNumber() throws(TemplateError) -> Int {
        var number = 0
        while let digit = current, ("0"..."9").contains(digit) {
            number = number * 10 + Int(digit.value - 48)
            guard number <= budget.limits.stringBytes else {
                throw TemplateError("a format of this width is too large", kind: .limit)
            }
            position += 1
        }
        return number
    }

    private mutating func operand() throws(TemplateError) -> TemplateValue {
        guard nextOperand < operands.count else {
            throw TemplateError("not enough arguments for format string")
        }
        nextOperand += 1
        return operands[nextOperand - 1]
    }

    private func convert(
        _ type: Unicode.Scalar, _ value: TemplateValue, _ field: Field
    ) throws(TemplateError) -> String {
        switch type {
        case "s", "r":
            let text = type == "s" ? try value.text(budget) : try value.representation(budget)
            guard let precision = field.precision else { return text }
            return String(scalars: text.unicodeScalars.prefix(precision))
        case "d", "i", "u", "x", "X", "o":
            var number = value.exactInteger
            if case .float(let float) = value, !"xXo".unicodeScalars.contains(type) {
                number = Int(exactly: float.rounded(.towardZero))
            }
            guard let number else { throw wrongType(type, "a real number", value) }
            let radix = type == "o" ? 8 : (type == "x" || type == "X" ? 16 : 10)
            let digits = String(number.magnitude, radix: radix, uppercase: type == "X")
            return sign(number < 0, field) + digits
        case "f", "F":
            guard let number = value.numeric else { throw wrongType(type, "a real number", value) }
            guard number.isFinite else { return PythonNumber.representation(number) }
            let precision = field.precision ?? 6
            guard precision <= 1000 else { throw TemplateError("a precision beyond 1000 digits") }
            return sign(number.sign == .minus, field)
                + PythonNumber.fixed(number.magnitude, digits: precision)
        case "c":
            if case .string(let text) = value, text.scalarCount == 1 { return text }
            guard let code = value.exactInteger,
                let scalar = UInt32(exactly: code).flatMap(Unicode.Scalar.init)
            else { throw TemplateError("%c requires int or char") }
            return String(scalar)
        default:
            throw TemplateError("unsupported format character \(PythonText.representation(String(type)))")
        }
    }

    private func wrongType(_ type: Unicode.Scalar, _ wanted: String, _ value: TemplateValue) -> TemplateError
    {
        TemplateError("%\(type) format: \(wanted) is required, not \(value.typeName)")
    }

    private func sign(_ negative: Bool, _ field: Field) -> String {
        negative ? "-" : (field.signed ? "+" : (field.spaced ? " " : ""))
    }

    private func pad(_ text: String, _ field: Field, isNumber: Bool) throws(TemplateError) -> String {
        if field.leftAligned {
            return try StringMethods.pad(text, width: field.width, side: .left, with: " ", budget)
        }
        guard field.zeroPadded, isNumber else {
            return try StringMethods.pad(text, width: field.width, side: .right, with: " ", budget)
        }
        let signs = text.prefix { "+- ".contains($0) }
        let digits = String(text.dropFirst(signs.count))
        return signs
            + (try StringMethods.pad(
                digits, width: field.width - signs.count, side: .right, with: "0", budget))
    }
}
