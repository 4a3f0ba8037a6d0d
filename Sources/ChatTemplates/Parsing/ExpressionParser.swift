// Expressions: Jinja's grammar, loosest binding first.

extension TemplateParser {
    /// `a if b else c`, and everything that binds tighter.
    mutating func parseExpression() throws(TemplateError) -> Expression {
        try nested { (parser) throws(TemplateError) in
            let line = parser.current.line
            var expression = try parser.parseOr()
            while parser.skip(name: "if") {
                let test = try parser.parseOr()
                let otherwise = parser.skip(name: "else") ? try parser.parseExpression() : nil
                expression = try parser.make(
                    .conditional(test: test, then: expression, otherwise: otherwise, line: line),
                    [test, expression] + (otherwise.map { [$0] } ?? []))
            }
            return expression
        }
    }

    mutating func parseOr() throws(TemplateError) -> Expression {
        var left = try parseAnd()
        while skip(name: "or") {
            let right = try parseAnd()
            left = try make(.or(left, right), [left, right])
        }
        return left
    }

    private mutating func parseAnd() throws(TemplateError) -> Expression {
        var left = try parseNot()
        while skip(name: "and") {
            let right = try parseNot()
            left = try make(.and(left, right), [left, right])
        }
        return left
    }

    private mutating func parseNot() throws(TemplateError) -> Expression {
        guard current.kind == .name("not") else { return try parseComparison() }
        advance()
        return try nested { (parser) throws(TemplateError) in
            let operand = try parser.parseNot()
            return try parser.make(.not(operand), [operand])
        }
    }

    private mutating func parseComparison() throws(TemplateError) -> Expression {
        let left = try parseArithmetic(minimum: 0)
        var steps: [(operation: ComparisonOperator, right: Expression)] = []
        while let operation = nextComparison() {
            steps.append((operation, try parseArithmetic(minimum: 0)))
        }
        return steps.isEmpty ? left : try make(.compare(left, steps), [left] + steps.map(\.right))
    }

    private mutating func nextComparison() -> ComparisonOperator? {
        switch current.kind {
        case .symbol(let symbol):
            guard let operation = ComparisonOperator(rawValue: symbol) else { return nil }
            advance()
            return operation
        case .name("in"):
            advance()
            return .contained
        case .name("not") where peek().kind == .name("in"):
            advance()
            advance()
            return .notContained
        default: return nil
        }
    }

    /// Precedence of `+ -`, `~`, `* / // %`, `**`. All associate to the left, in Jinja even the power.
    private static let precedences = [
        "+": 0, "-": 0, "~": 1, "*": 2, "/": 2, "//": 2, "%": 2, "**": 3,
    ]

    private mutating func parseArithmetic(minimum: Int) throws(TemplateError) -> Expression {
        var left = try parseUnary(withFilters: true)
        while case .symbol(let symbol) = current.kind, let precedence = Self.precedences[symbol],
            precedence >= minimum
        {
            if symbol == "~" {
                var parts = [left]
                while skip(symbol: "~") { parts.append(try parseArithmetic(minimum: precedence + 1)) }
                left = try make(.concatenate(parts), parts)
                continue
            }
            advance()
            let right = try parseArithmetic(minimum: precedence + 1)
            guard let operation = BinaryOperator(rawValue: symbol) else {
                throw syntax("unexpected '\(symbol)'")
            }
            left = try make(.binary(operation, left, right), [left, right])
        }
        return left
    }

    /// A sign binds tighter than a filter: `-1 | abs` is 1.
    mutating func parseUnary(withFilters: Bool) throws(TemplateError) -> Expression {
        var expression: Expression
        switch current.kind {
        case .symbol("-"):
            advance()
            let operand = try nested { (parser) throws(TemplateError) in
                try parser.parseUnary(withFilters: false)
            }
            expression = try make(.negate(operand), [operand])
        case .symbol("+"):
            advance()
            let operand = try nested { (parser) throws(TemplateError) in
                try parser.parseUnary(withFilters: false)
            }
            expression = try make(.positive(operand), [operand])
        default:
            expression = try parsePrimary()
        }
        expression = try parsePostfix(expression)
        return withFilters ? try parseFilters(expression) : expression
    }

    mutating func parsePrimary() throws(TemplateError) -> Expression {
        let token = advance()
        switch token.kind {
        case .name("true"), .name("True"): return try make(.literal(.bool(true)))
        case .name("false"), .name("False"): return try make(.literal(.bool(false)))
        case .name("none"), .name("None"): return try make(.literal(.none))
        case .name(let name):
            mention(name)
            return try make(.name(name))
        case .integer(let value): return try make(.literal(.integer(value)))
        case .float(let value): return try make(.literal(.float(value)))
        case .string(var text):
            while case .string(let next) = current.kind {
                text += next
                advance()
            }
            return try make(.literal(.string(text)))
        case .symbol("("):
            if skip(symbol: ")") { return try make(.tuple([])) }
            let expression = try parseTuple(allowsConditional: true)
            try expect(.symbol(")"))
            return expression
        case .symbol("["): return try parseList()
        case .symbol("{"): return try parseDictionary()
        default:
            throw TemplateError("unexpected \(token.text)", kind: .syntax, line: token.line)
        }
    }

    /// One expression, or several with commas between or after them, which make a tuple.
    mutating func parseTuple(allowsConditional: Bool) throws(TemplateError) -> Expression {
        var items: [Expression] = []
        var isTuple = false
        while true {
            if isTuple, endsTuple { break }
            items.append(try allowsConditional ? parseExpression() : parseOr())
            guard skip(symbol: ",") else { break }
            isTuple = true
        }
        if !isTuple, let only = items.first { return only }
        return try make(.tuple(items), items)
    }

    private var endsTuple: Bool {
        switch current.kind {
        case .outputEnd, .tagEnd, .symbol(")"), .name("in"), .name("recursive"), .name("if"): true
        default: false
        }
    }

    private mutating func parseList() throws(TemplateError) -> Expression {
        var items: [Expression] = []
        while current.kind != .symbol("]") {
            if !items.isEmpty {
                try expect(.symbol(","))
                if current.kind == .symbol("]") { break }
            }
            items.append(try parseExpression())
        }
        try expect(.symbol("]"))
        return try make(.list(items), items)
    }

    private mutating func parseDictionary() throws(TemplateError) -> Expression {
        var entries: [(key: Expression, value: Expression)] = []
        while current.kind != .symbol("}") {
            if !entries.isEmpty {
                try expect(.symbol(","))
                if current.kind == .symbol("}") { break }
            }
            let key = try parseExpression()
            try expect(.symbol(":"))
            entries.append((key, try parseExpression()))
        }
        try expect(.symbol("}"))
        return try make(.dictionary(entries), entries.flatMap { [$0.key, $0.value] })
    }
}
