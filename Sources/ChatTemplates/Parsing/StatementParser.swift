// Statements: text, output and blocks.

extension TemplateParser {
    /// Statements up to a tag with one of these names, which is returned with its name already read; up to the end
    /// of the template when no name is given.
    mutating func parseStatements(
        until ends: Set<String>
    ) throws(TemplateError) -> (body: [Statement], end: String) {
        blockDepth += 1
        defer { blockDepth -= 1 }
        guard blockDepth <= Self.blockDepthLimit else { throw syntax("blocks nest too deeply") }
        var statements: [Statement] = []
        while true {
            let line = current.line
            switch current.kind {
            case .text(let text):
                advance()
                statements.append(Statement(kind: .text(text), line: line))
            case .outputBegin:
                advance()
                let expression = try parseTuple(allowsConditional: true)
                try expect(.outputEnd)
                statements.append(Statement(kind: .output(expression), line: line))
            case .tagBegin:
                advance()
                let name = try expectName()
                if ends.contains(name) { return (statements, name) }
                let kind = try parseBlock(name, ends: ends)
                try expect(.tagEnd)
                statements.append(Statement(kind: kind, line: line))
            case .end:
                guard ends.isEmpty else {
                    throw syntax("a block is not closed: \(Self.listed(ends)) is missing")
                }
                return (statements, "")
            default:
                throw syntax("unexpected \(current.text)")
            }
        }
    }

    private static func listed(_ names: Set<String>) -> String {
        names.sorted().map { "{% \($0) %}" }.joined(separator: " or ")
    }

    /// The statements inside a block up to its end tag, whose name is read but not its `%}`.
    private mutating func parseBody(until ends: String...) throws(TemplateError) -> (
        body: [Statement], end: String
    ) {
        try expect(.tagEnd)
        return try parseStatements(until: Set(ends))
    }

    private mutating func parseBlock(
        _ name: String, ends: Set<String>
    ) throws(TemplateError) -> StatementKind {
        switch name {
        case "if": return try parseIf()
        case "for": return try parseFor()
        case "set": return try parseSet()
        case "macro": return try parseMacro()
        case "call": return try parseCallBlock()
        case "filter":
            let filters = try parseFilterChain()
            return .filterBlock(filters, try parseBody(until: "endfilter").body)
        case "with": return try parseWith()
        case "generation":
            return .generation(try parseBody(until: "endgeneration").body)
        case "break", "continue":
            guard loopDepth > 0 else { throw syntax("'\(name)' outside a loop") }
            return name == "break" ? .breakLoop : .continueLoop
        case "block", "extends", "include", "import", "from", "autoescape", "do", "print", "trans",
            "pluralize":
            throw syntax("the '\(name)' tag is not supported in chat templates")
        default:
            let expected = ends.isEmpty ? "" : ", expected \(Self.listed(ends))"
            throw syntax("unknown tag '\(name)'\(expected)")
        }
    }

    private mutating func parseIf() throws(TemplateError) -> StatementKind {
        var branches: [(test: Expression, body: [Statement])] = []
        var otherwise: [Statement] = []
        while true {
            let test = try parseTuple(allowsConditional: false)
            let (body, end) = try parseBody(until: "elif", "else", "endif")
            branches.append((test, body))
            if end == "elif" { continue }
            if end == "else" { otherwise = try parseBody(until: "endif").body }
            return .conditional(branches, otherwise: otherwise)
        }
    }

    private mutating func parseFor() throws(TemplateError) -> StatementKind {
        let target = try parseTargets(allowsAttributes: false)
        try expect(.name("in"))
        let sequence = try parseTuple(allowsConditional: false)
        let condition = skip(name: "if") ? try parseExpression() : nil
        if current.kind == .name("recursive") { throw syntax("recursive loops are not supported") }
        loopDepth += 1
        defer { loopDepth -= 1 }
        let (body, end) = try parseBody(until: "else", "endfor")
        let otherwise = end == "else" ? try parseBody(until: "endfor").body : []
        return .loop(
            LoopStatement(
                target: target, sequence: sequence, condition: condition, body: body, otherwise: otherwise))
    }

    private mutating func parseSet() throws(TemplateError) -> StatementKind {
        let target = try parseTargets(allowsAttributes: true)
        if skip(symbol: "=") { return .assign(target, try parseTuple(allowsConditional: true)) }
        let filters = skip(symbol: "|") ? try parseFilterChain() : []
        return .assignBlock(target, filters, try parseBody(until: "endset").body)
    }

    /// `a`, `a, b`, `(a, b)` or, where allowed, `namespace.attribute`.
    private mutating func parseTargets(allowsAttributes: Bool) throws(TemplateError) -> AssignmentTarget {
        var targets = [try parseTarget(allowsAttributes: allowsAttributes)]
        var isTuple = false
        while skip(symbol: ",") {
            isTuple = true
            switch current.kind {
            case .name("in"), .symbol("="), .symbol(")"): break
            default: targets.append(try parseTarget(allowsAttributes: allowsAttributes))
            }
        }
        return isTuple ? .tuple(targets) : targets[0]
    }

    private mutating func parseTarget(allowsAttributes: Bool) throws(TemplateError) -> AssignmentTarget {
        if skip(symbol: "(") {
            let inner = try nested { (parser) throws(TemplateError) in
                try parser.parseTargets(allowsAttributes: allowsAttributes)
            }
            try expect(.symbol(")"))
            return inner
        }
        let name = try expectName()
        let reserved: Set<String> = ["true", "True", "false", "False", "none", "None"]
        guard !reserved.contains(name) else { throw syntax("can't assign to '\(name)'") }
        if allowsAttributes, skip(symbol: ".") { return .attribute(of: name, try expectName()) }
        return .name(name)
    }

    private mutating func parseWith() throws(TemplateError) -> StatementKind {
        var bindings: [(target: AssignmentTarget, value: Expression)] = []
        while current.kind != .tagEnd {
            if !bindings.isEmpty { try expect(.symbol(",")) }
            let target = try parseTarget(allowsAttributes: false)
            try expect(.symbol("="))
            bindings.append((target, try parseExpression()))
        }
        return .with(bindings, try parseBody(until: "endwith").body)
    }

    private mutating func parseMacro() throws(TemplateError) -> StatementKind {
        let name = try expectName()
        return .macro(try parseMacroBody(name: name, parameters: parseParameters(), end: "endmacro"))
    }

    private mutating func parseCallBlock() throws(TemplateError) -> StatementKind {
        let parameters = current.kind == .symbol("(") ? try parseParameters() : []
        let call = try parseExpression()
        guard case .call = call.node else { throw syntax("expected a call after 'call'") }
        return .callBlock(
            caller: try parseMacroBody(name: "caller", parameters: parameters, end: "endcall"), call: call)
    }

    private mutating func parseMacroBody(
        name: String, parameters: [(name: String, fallback: Expression?)], end: String
    ) throws(TemplateError) -> MacroDefinition {
        mentions.append([])
        let outerLoops = loopDepth
        loopDepth = 0
        let body = try parseBody(until: end).body
        loopDepth = outerLoops
        let inside = mentions.removeLast()
        return MacroDefinition(name: name, parameters: parameters, body: body, mentions: inside)
    }

    private mutating func parseParameters() throws(TemplateError) -> [(name: String, fallback: Expression?)] {
        var parameters: [(name: String, fallback: Expression?)] = []
        try expect(.symbol("("))
        while current.kind != .symbol(")") {
            if !parameters.isEmpty { try expect(.symbol(",")) }
            let name = try expectName()
            let fallback = skip(symbol: "=") ? try parseExpression() : nil
            if fallback == nil, parameters.last?.fallback != nil {
                throw syntax("a parameter without a default follows one with a default")
            }
            parameters.append((name, fallback))
        }
        try expect(.symbol(")"))
        return parameters
    }
}
