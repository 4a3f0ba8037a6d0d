// What follows an operand: attributes, items, slices, calls, filters and tests.

extension TemplateParser {
    mutating func parsePostfix(_ operand: Expression) throws(TemplateError) -> Expression {
        var expression = operand
        while true {
            if skip(symbol: ".") {
                let token = advance()
                switch token.kind {
                case .name(let name): expression = try make(.attribute(expression, name), [expression])
                case .integer(let index):
                    let key = try make(.literal(.integer(index)))
                    expression = try make(.item(expression, key), [expression, key])
                default:
                    throw TemplateError(
                        "expected a name after '.', found \(token.text)", kind: .syntax, line: token.line)
                }
            } else if skip(symbol: "[") {
                expression = try parseSubscript(of: expression)
            } else if current.kind == .symbol("(") {
                expression = try parseCall(of: expression)
            } else {
                return expression
            }
        }
    }

    private mutating func parseCall(of callee: Expression) throws(TemplateError) -> Expression {
        let arguments = try parseArguments()
        return try make(.call(callee, arguments), [callee] + arguments.expressions)
    }

    private mutating func parseSubscript(of operand: Expression) throws(TemplateError) -> Expression {
        var parts: [Expression?] = [nil]
        var isSlice = false
        while current.kind != .symbol("]") {
            if skip(symbol: ":") {
                isSlice = true
                parts.append(nil)
                continue
            }
            guard parts[parts.count - 1] == nil else {
                throw syntax("expected ']' or ':', found \(current.text)")
            }
            parts[parts.count - 1] = try parseExpression()
        }
        try expect(.symbol("]"))
        let children = [operand] + parts.compactMap { $0 }
        if !isSlice {
            guard let key = parts[0] else { throw syntax("expected an index between '[' and ']'") }
            return try make(.item(operand, key), children)
        }
        guard parts.count <= 3 else { throw syntax("a slice has at most three parts") }
        let step = parts.count == 3 ? parts[2] : nil
        return try make(.slice(operand, start: parts[0], stop: parts[1], step: step), children)
    }

    mutating func parseArguments() throws(TemplateError) -> CallArguments {
        var arguments = CallArguments()
        try expect(.symbol("("))
        var isFirst = true
        while current.kind != .symbol(")") {
            if !isFirst {
                try expect(.symbol(","))
                if current.kind == .symbol(")") { break }
            }
            isFirst = false
            if skip(symbol: "**") {
                guard arguments.namedSplat == nil else { throw syntax("only one '**' argument is allowed") }
                arguments.namedSplat = try parseExpression()
            } else if skip(symbol: "*") {
                guard arguments.positionalSplat == nil else {
                    throw syntax("only one '*' argument is allowed")
                }
                arguments.positionalSplat = try parseExpression()
            } else if case .name(let name) = current.kind, peek().kind == .symbol("=") {
                advance()
                advance()
                arguments.named.append((name, try parseExpression()))
            } else {
                guard arguments.named.isEmpty else { throw syntax("a plain argument follows a named one") }
                arguments.positional.append(try parseExpression())
            }
        }
        try expect(.symbol(")"))
        return arguments
    }

    /// `| filter(...)`, `is test` and calls, in any order.
    mutating func parseFilters(_ operand: Expression) throws(TemplateError) -> Expression {
        var expression = operand
        while true {
            if skip(symbol: "|") {
                let filter = try parseFilterCall()
                expression = try make(
                    .filter(expression, filter), [expression] + filter.arguments.expressions)
            } else if skip(name: "is") {
                expression = try parseTest(of: expression)
            } else if current.kind == .symbol("(") {
                expression = try parseCall(of: expression)
            } else {
                return expression
            }
        }
    }

    /// The filters of `{% filter a | b %}` and `{% set x | a %}`; the first bar is already read.
    mutating func parseFilterChain() throws(TemplateError) -> [FilterCall] {
        var filters = [try parseFilterCall()]
        while skip(symbol: "|") { filters.append(try parseFilterCall()) }
        return filters
    }

    private mutating func parseFilterCall() throws(TemplateError) -> FilterCall {
        let name = try parseDottedName()
        let arguments = current.kind == .symbol("(") ? try parseArguments() : CallArguments()
        return FilterCall(name: name, arguments: arguments)
    }

    private mutating func parseDottedName() throws(TemplateError) -> String {
        var name = try expectName()
        while skip(symbol: ".") { name += "." + (try expectName()) }
        return name
    }

    private mutating func parseTest(of operand: Expression) throws(TemplateError) -> Expression {
        let negated = skip(name: "not")
        let name = try parseDottedName()
        var arguments = CallArguments()
        if current.kind == .symbol("(") {
            arguments = try parseArguments()
        } else if startsTestArgument {
            let argument = try nested { (parser) throws(TemplateError) in
                try parser.parsePostfix(try parser.parsePrimary())
            }
            arguments.positional = [argument]
        }
        return try make(
            .test(operand, name: name, arguments, negated: negated), [operand] + arguments.expressions)
    }

    private var startsTestArgument: Bool {
        switch current.kind {
        case .name("else"), .name("or"), .name("and"), .name("is"): false
        case .name, .string, .integer, .float, .symbol("["), .symbol("{"): true
        default: false
        }
    }
}
