// Walks a template's statements and writes its output.

/// One rendering of one template. Rendering is single-threaded and happens once per interpreter.
final class Interpreter {
    let budget: RenderBudget
    let clock: @Sendable () -> Int
    private(set) var output = ""
    /// UTF-8 ranges of the output that stood in `{% generation %}` blocks.
    private(set) var generationSpans: [Range<Int>] = []
    var scope: Scope
    /// How many outputs are being captured by macros and blocks; a span has a place only in the outermost.
    private var captures = 0
    private var openNamespaces: [Namespace] = []
    private var openMacros: [BoundMacro] = []

    enum Flow {
        case normal, breakLoop, continueLoop
    }

    init(
        variables: [(name: String, value: TemplateValue)], budget: RenderBudget,
        clock: @escaping @Sendable () -> Int
    ) {
        self.budget = budget
        self.clock = clock
        let globals = Scope(parent: nil)
        for function in GlobalFunction.allCases {
            globals.set(function.rawValue, .callable(.function(function)))
        }
        for variable in variables { globals.set(variable.name, variable.value) }
        scope = Scope(parent: globals)
    }

    func run(_ statements: [Statement]) throws(TemplateError) {
        defer { release() }
        _ = try execute(statements)
    }

    /// Values that can refer to themselves are emptied when rendering ends, so that none outlives it.
    private func release() {
        for namespace in openNamespaces { namespace.attributes = TemplateDictionary() }
        for macro in openMacros { macro.release() }
        scope.clear()
    }

    func makeNamespace() -> Namespace {
        let namespace = Namespace()
        openNamespaces.append(namespace)
        return namespace
    }

    func bind(_ macro: MacroDefinition) -> BoundMacro {
        let bound = BoundMacro(macro, scope: scope)
        openMacros.append(bound)
        return bound
    }

    // MARK: Statements

    func execute(_ statements: [Statement]) throws(TemplateError) -> Flow {
        for statement in statements {
            let flow: Flow
            do {
                flow = try execute(statement)
            } catch {
                throw error.at(line: statement.line)
            }
            if flow != .normal { return flow }
        }
        return .normal
    }

    private func execute(_ statement: Statement) throws(TemplateError) -> Flow {
        try budget.enter()
        defer { budget.leave() }
        try budget.charge()
        switch statement.kind {
        case .text(let text): try write(text)
        case .output(let expression): try write(evaluate(expression).text(budget))
        case .conditional(let branches, let otherwise):
            for branch in branches where try evaluate(branch.test).isTrue { return try execute(branch.body) }
            return try execute(otherwise)
        case .loop(let loop): return try execute(loop)
        case .assign(let target, let expression): try assign(target, evaluate(expression))
        case .assignBlock(let target, let filters, let body):
            let text = try captureInScope(body)
            try assign(target, apply(filters, to: .string(text)))
        case .macro(let definition): scope.set(definition.name, .callable(.macro(bind(definition))))
        case .callBlock(let caller, let call):
            guard case .call(let callee, let arguments) = call.node else { break }
            let body = TemplateValue.callable(.macro(bind(caller)))
            var values = try evaluate(arguments)
            values.named.append(("caller", body))
            try write(self.call(evaluate(callee), values).text(budget))
        case .filterBlock(let filters, let body):
            let text = try captureInScope(body)
            try write(apply(filters, to: .string(text)).text(budget))
        case .with(let bindings, let body):
            var values: [TemplateValue] = []
            for binding in bindings { values.append(try evaluate(binding.value)) }
            return try inNewScope(of: scope) { () throws(TemplateError) in
                for (binding, value) in zip(bindings, values) { try assign(binding.target, value) }
                return try execute(body)
            }
        case .generation(let body):
            let start = output.utf8.count
            let flow = try inNewScope(of: scope) { () throws(TemplateError) in try execute(body) }
            if captures == 0 { generationSpans.append(start..<output.utf8.count) }
            return flow
        case .breakLoop: return .breakLoop
        case .continueLoop: return .continueLoop
        }
        return .normal
    }

    private func write(_ text: String) throws(TemplateError) {
        try budget.charge(text.utf8.count / 16)
        output += text
        if output.utf8.count > budget.limits.stringBytes {
            try budget.chargeString(bytes: output.utf8.count)
        }
    }

    // MARK: Loops

    private func execute(_ loop: LoopStatement) throws(TemplateError) -> Flow {
        var items = try evaluate(loop.sequence).iterated()
        let outer = scope
        defer { scope = outer }
        if let condition = loop.condition {
            var kept: [TemplateValue] = []
            for item in items {
                scope = Scope(parent: outer)
                try assign(loop.target, item)
                if try evaluate(condition).isTrue { kept.append(item) }
            }
            items = kept
            scope = outer
        }
        let state = try LoopState(items: items, budget)
        var hasCompleted = false
        for (index, item) in items.enumerated() {
            try budget.charge()
            state.index = index
            scope = Scope(parent: outer)
            scope.set("loop", .loop(state))
            try assign(loop.target, item)
            let flow = try execute(loop.body)
            if flow == .breakLoop { break }
            if flow == .normal { hasCompleted = true }
        }
        // As in Jinja: `else` runs when no pass came to its end, be it for want of items or for leaving them all early.
        if hasCompleted { return .normal }
        scope = Scope(parent: outer)
        return try execute(loop.otherwise)
    }

    // MARK: Assignment

    private func assign(_ target: AssignmentTarget, _ value: TemplateValue) throws(TemplateError) {
        switch target {
        case .name(let name): scope.set(name, value)
        case .attribute(let owner, let name):
            guard case .namespace(let namespace) = scope[owner] else {
                throw TemplateError("cannot assign attribute on non-namespace object")
            }
            try namespace.attributes.set(.string(name), value, budget)
        case .tuple(let targets):
            let items: [TemplateValue]
            do {
                items = try value.iterated()
            } catch {
                throw TemplateError("cannot unpack non-iterable \(value.typeName) object")
            }
            guard items.count == targets.count else {
                throw TemplateError(
                    items.count < targets.count
                        ? "not enough values to unpack (expected \(targets.count), got \(items.count))"
                        : "too many values to unpack (expected \(targets.count))")
            }
            for (target, item) in zip(targets, items) { try assign(target, item) }
        }
    }

    // MARK: Scopes and captured output

    func inNewScope<Result>(
        of parent: Scope, _ body: () throws(TemplateError) -> Result
    ) throws(TemplateError) -> Result {
        let outer = scope
        scope = Scope(parent: parent)
        defer { scope = outer }
        return try body()
    }

    private func captureInScope(_ body: [Statement]) throws(TemplateError) -> String {
        try inNewScope(of: scope) { () throws(TemplateError) in try capture(body) }
    }

    /// What these statements write, kept apart from the output.
    func capture(_ body: [Statement]) throws(TemplateError) -> String {
        let outer = output
        output = ""
        captures += 1
        defer {
            output = outer
            captures -= 1
        }
        _ = try execute(body)
        return output
    }
}
