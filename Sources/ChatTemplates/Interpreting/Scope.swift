// Variables by block, as Jinja scopes them: loops, macros, calls and `with` open a scope, `if` does not.

final class Scope {
    private var variables: [String: TemplateValue] = [:]
    private let parent: Scope?

    init(parent: Scope?) { self.parent = parent }

    subscript(name: String) -> TemplateValue? {
        var scope: Scope? = self
        while let current = scope {
            if let value = current.variables[name] { return value }
            scope = current.parent
        }
        return nil
    }

    /// Assignment always concerns the innermost scope: a loop cannot change what stands outside it.
    func set(_ name: String, _ value: TemplateValue) { variables[name] = value }

    /// Lets go of all values, which breaks the cycle between a scope and the macros defined in it.
    func clear() { variables = [:] }
}
