// The state that parsing statements and expressions share: the tokens, the place among them, the limits.

struct TemplateParser {
    /// Deepest tree of an expression, and deepest nesting of blocks.
    static let expressionDepthLimit = 120
    static let blockDepthLimit = 40

    private let tokens: [TemplateToken]
    private var position = 0
    private var nesting = 0
    var blockDepth = 0
    var loopDepth = 0
    /// Names read inside the macros that are being parsed, innermost last.
    var mentions: [Set<String>] = []

    static func statements(of template: String) throws(TemplateError) -> [Statement] {
        var parser = TemplateParser(tokens: try TemplateLexer.tokens(of: template))
        return try parser.parseStatements(until: []).body
    }

    private init(tokens: [TemplateToken]) { self.tokens = tokens }

    var current: TemplateToken { tokens[position] }

    func peek(_ distance: Int = 1) -> TemplateToken { tokens[min(position + distance, tokens.count - 1)] }

    @discardableResult
    mutating func advance() -> TemplateToken {
        let token = tokens[position]
        position = min(position + 1, tokens.count - 1)
        return token
    }

    mutating func skip(symbol: String) -> Bool {
        guard current.kind == .symbol(symbol) else { return false }
        advance()
        return true
    }

    mutating func skip(name: String) -> Bool {
        guard current.kind == .name(name) else { return false }
        advance()
        return true
    }

    mutating func expect(_ kind: TemplateToken.Kind) throws(TemplateError) {
        guard current.kind == kind else {
            throw syntax("expected \(TemplateToken(kind: kind, line: 0).text), found \(current.text)")
        }
        advance()
    }

    mutating func expectName() throws(TemplateError) -> String {
        guard case .name(let name) = current.kind else {
            throw syntax("expected a name, found \(current.text)")
        }
        advance()
        return name
    }

    func syntax(_ message: String) -> TemplateError {
        TemplateError(message, kind: .syntax, line: current.line)
    }

    /// Runs a recursive step of the parser; too many of them at once are an error.
    mutating func nested<Result>(
        _ body: (inout TemplateParser) throws(TemplateError) -> Result
    ) throws(TemplateError) -> Result {
        nesting += 1
        defer { nesting -= 1 }
        guard nesting <= Self.expressionDepthLimit else { throw syntax("an expression nests too deeply") }
        return try body(&self)
    }

    func make(_ node: ExpressionNode, _ children: [Expression] = []) throws(TemplateError) -> Expression {
        var deepest = 0
        for child in children { deepest = max(deepest, child.depth) }
        guard deepest < Self.expressionDepthLimit else { throw syntax("an expression nests too deeply") }
        return Expression(node: node, depth: deepest + 1)
    }

    mutating func mention(_ name: String) {
        if !mentions.isEmpty { mentions[mentions.count - 1].insert(name) }
    }
}
