// The error that travels inside the interpreter, before it is given the template's location.

/// A template that cannot be read or rendered; becomes an `InputError` at the public interface.
struct TemplateError: Error, Equatable {
    enum Kind: Equatable {
        /// The source does not follow the grammar, or uses a part of it that is not supported.
        case syntax
        /// The template called `raise_exception`: its way of refusing a conversation.
        case raised
        /// Evaluating failed: an undefined value, an operation on the wrong types, an unknown filter.
        case evaluation
        /// Rendering was stopped: too deep, too long or too large.
        case limit
    }

    var kind: Kind
    var message: String
    /// Line of the template, counted from 1; nil until a statement that knows its line is passed.
    var line: Int?

    init(_ message: String, kind: Kind = .evaluation, line: Int? = nil) {
        self.kind = kind
        self.message = message
        self.line = line
    }

    func at(line: Int) -> TemplateError {
        var located = self
        if located.line == nil { located.line = line }
        return located
    }
}
