// The tree that the parser makes of a template and the interpreter walks.

/// An expression, knowing how deep its tree is: walking and freeing it are recursive.
struct Expression {
    let node: ExpressionNode
    let depth: Int
}

indirect enum ExpressionNode {
    case literal(TemplateValue)
    case name(String)
    case list([Expression])
    case tuple([Expression])
    case dictionary([(key: Expression, value: Expression)])
    case negate(Expression)
    case positive(Expression)
    case not(Expression)
    case and(Expression, Expression)
    case or(Expression, Expression)
    case binary(BinaryOperator, Expression, Expression)
    case concatenate([Expression])
    case compare(Expression, [(operation: ComparisonOperator, right: Expression)])
    case conditional(test: Expression, then: Expression, otherwise: Expression?, line: Int)
    case attribute(Expression, String)
    case item(Expression, Expression)
    case slice(Expression, start: Expression?, stop: Expression?, step: Expression?)
    case call(Expression, CallArguments)
    case filter(Expression, FilterCall)
    case test(Expression, name: String, CallArguments, negated: Bool)
}

enum ComparisonOperator: String {
    case equal = "=="
    case notEqual = "!="
    case less = "<"
    case lessOrEqual = "<="
    case greater = ">"
    case greaterOrEqual = ">="
    case contained = "in"
    case notContained = "not in"
}

struct CallArguments {
    var positional: [Expression] = []
    var named: [(name: String, value: Expression)] = []
    var positionalSplat: Expression?
    var namedSplat: Expression?

    var expressions: [Expression] {
        positional + named.map(\.value) + [positionalSplat, namedSplat].compactMap { $0 }
    }
}

struct FilterCall {
    let name: String
    let arguments: CallArguments
}

struct Statement {
    let kind: StatementKind
    let line: Int
}

indirect enum StatementKind {
    case text(String)
    case output(Expression)
    case conditional([(test: Expression, body: [Statement])], otherwise: [Statement])
    case loop(LoopStatement)
    case assign(AssignmentTarget, Expression)
    case assignBlock(AssignmentTarget, [FilterCall], [Statement])
    case macro(MacroDefinition)
    case callBlock(caller: MacroDefinition, call: Expression)
    case filterBlock([FilterCall], [Statement])
    case with([(target: AssignmentTarget, value: Expression)], [Statement])
    case generation([Statement])
    case breakLoop
    case continueLoop
}

struct LoopStatement {
    let target: AssignmentTarget
    let sequence: Expression
    let condition: Expression?
    let body: [Statement]
    let otherwise: [Statement]
}

indirect enum AssignmentTarget {
    case name(String)
    case attribute(of: String, String)
    case tuple([AssignmentTarget])
}

/// A macro, or the body of a call block, which is its nameless `caller`.
final class MacroDefinition {
    let name: String
    let parameters: [(name: String, fallback: Expression?)]
    let body: [Statement]
    /// Names that the body mentions: `varargs`, `kwargs` and `caller` are accepted only by macros that use them.
    let mentions: Set<String>

    init(
        name: String, parameters: [(name: String, fallback: Expression?)], body: [Statement],
        mentions: Set<String>
    ) {
        self.name = name
        self.parameters = parameters
        self.body = body
        self.mentions = mentions
    }
}
