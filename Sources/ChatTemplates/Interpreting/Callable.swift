// What can be called, and the arguments of a call.

enum Callable {
    case function(GlobalFunction)
    case method(of: TemplateValue, name: String)
    case macro(BoundMacro)
    case cycle(LoopState)

    var typeName: String {
        switch self {
        case .function: "function"
        case .method: "builtin_function_or_method"
        case .macro: "Macro"
        case .cycle: "method"
        }
    }

    var depth: Int {
        switch self {
        case .method(let receiver, _): receiver.depth + 1
        case .cycle(let loop): loop.depth + 1
        case .function, .macro: 0
        }
    }
}

/// A macro together with the scope it was defined in.
final class BoundMacro {
    let definition: MacroDefinition
    private(set) var scope: Scope?

    init(_ definition: MacroDefinition, scope: Scope) {
        self.definition = definition
        self.scope = scope
    }

    /// Called when rendering ends: scope and macro refer to each other.
    func release() { scope = nil }
}

/// The evaluated arguments of a call, a filter or a test.
struct ArgumentValues {
    var positional: [TemplateValue] = []
    var named: [(name: String, value: TemplateValue)] = []

    subscript(name: String) -> TemplateValue? { named.first { $0.name == name }?.value }

    /// The arguments in the order of these parameters, nil where one is not given; anything else is an error that
    /// names the function.
    func bound(to parameters: [String], of function: String) throws(TemplateError) -> [TemplateValue?] {
        guard positional.count <= parameters.count else {
            throw TemplateError(
                "\(function)() takes at most \(parameters.count) arguments, found \(positional.count)")
        }
        var values = positional.map(Optional.some)
        values += [TemplateValue?](repeating: nil, count: parameters.count - positional.count)
        for argument in named {
            guard let index = parameters.firstIndex(of: argument.name) else {
                throw TemplateError("\(function)() has no argument '\(argument.name)'")
            }
            guard values[index] == nil else {
                throw TemplateError("\(function)() got two values for the argument '\(argument.name)'")
            }
            values[index] = argument.value
        }
        return values
    }

    /// The arguments without the first positional one.
    var dropFirst: ArgumentValues { ArgumentValues(positional: Array(positional.dropFirst()), named: named) }
}

/// Typed access to optional arguments.
extension TemplateValue? {
    /// An absent argument or none is nil; anything but an integer is an error.
    func integer(_ name: String) throws(TemplateError) -> Int? {
        switch self {
        case nil, .some(.none): nil
        case .some(let value):
            if let number = value.exactInteger {
                number
            } else if case .undefined(let reason) = value {
                throw TemplateError(reason.text)
            } else {
                throw TemplateError("\(name) must be an integer, found '\(value.typeName)'")
            }
        }
    }

    /// An absent argument or none is nil; anything but a string is an error.
    func string(_ name: String) throws(TemplateError) -> String? {
        switch self {
        case nil, .some(.none): nil
        case .some(.string(let text)), .some(.markup(let text)): text
        case .some(.undefined(let reason)): throw TemplateError(reason.text)
        case .some(let value): throw TemplateError("\(name) must be str, not \(value.typeName)")
        }
    }
}
