// Calls: of macros, methods and global functions.

extension Interpreter {
    func call(_ callee: TemplateValue, _ arguments: ArgumentValues) throws(TemplateError) -> TemplateValue {
        switch callee {
        case .undefined(let reason): throw TemplateError(reason.text)
        case .callable(.function(let function)): return try call(function, arguments)
        case .callable(.macro(let macro)): return .string(try call(macro, arguments))
        case .callable(.cycle(let loop)):
            guard !arguments.positional.isEmpty else { throw TemplateError("no items for cycling given") }
            return arguments.positional[loop.index % arguments.positional.count]
        case .callable(.method(let receiver, let name)):
            switch receiver {
            case .string(let text): return try StringMethods.call(name, on: text, arguments, self)
            case .markup(let text): return try Markup.call(name, on: text, arguments, self)
            default: return try ContainerMethods.call(name, on: receiver, arguments, budget)
            }
        default: throw TemplateError("'\(callee.typeName)' object is not callable")
        }
    }

    private func call(_ macro: BoundMacro, _ arguments: ArgumentValues) throws(TemplateError) -> String {
        guard let parent = macro.scope else { throw TemplateError("a macro is called after rendering ended") }
        let definition = macro.definition
        return try inNewScope(of: parent) { () throws(TemplateError) in
            try bind(definition, arguments)
            return try capture(definition.body)
        }
    }

    /// Puts the arguments of a macro into the scope just opened for it.
    private func bind(_ macro: MacroDefinition, _ arguments: ArgumentValues) throws(TemplateError) {
        var named = arguments.named
        if let caller = named.lastIndex(where: { $0.name == "caller" }), !macro.declares("caller") {
            guard macro.mentions.contains("caller") else {
                throw TemplateError(
                    "macro '\(macro.name)' was invoked with two values for the special caller "
                        + "argument or does not accept one")
            }
            scope.set("caller", named.remove(at: caller).value)
        } else if macro.mentions.contains("caller"), !macro.declares("caller"), macro.name != "caller" {
            scope.set("caller", .undefined(.message("No caller defined")))
        }
        for (index, parameter) in macro.parameters.enumerated() {
            let given = named.firstIndex { $0.name == parameter.name }.map { named.remove(at: $0).value }
            if index < arguments.positional.count {
                if given != nil {
                    throw TemplateError(
                        "macro '\(macro.name)' got two values for the argument '\(parameter.name)'")
                }
                scope.set(parameter.name, arguments.positional[index])
            } else if let given {
                scope.set(parameter.name, given)
            } else if let fallback = parameter.fallback {
                scope.set(parameter.name, try evaluate(fallback))
            } else {
                scope.set(
                    parameter.name, .undefined(.message("parameter '\(parameter.name)' was not provided")))
            }
        }
        let extra = Array(arguments.positional.dropFirst(macro.parameters.count))
        if macro.mentions.contains("varargs") {
            scope.set("varargs", .tuple(try TemplateList(extra, budget)))
        } else if !extra.isEmpty {
            throw TemplateError(
                "macro '\(macro.name)' takes not more than \(macro.parameters.count) argument(s)")
        }
        if macro.mentions.contains("kwargs") {
            scope.set(
                "kwargs",
                .dictionary(try TemplateDictionary(named.map { (.string($0.name), $0.value) }, budget)))
        } else if let unknown = named.first {
            throw TemplateError("macro '\(macro.name)' takes no keyword argument '\(unknown.name)'")
        }
    }
}

extension MacroDefinition {
    func declares(_ name: String) -> Bool { parameters.contains { $0.name == name } }
}
