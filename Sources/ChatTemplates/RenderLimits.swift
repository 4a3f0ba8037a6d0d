// What a template may spend: templates come with downloaded models, so none may hang us or exhaust memory.

/// Bounds on one rendering. The defaults are far above what a conversation needs.
package struct RenderLimits: Sendable {
    /// Steps: one for every node evaluated, and more for operations on long strings and lists.
    package var work = 20_000_000
    /// Longest string, in UTF-8 bytes, that may be produced, the output included.
    package var stringBytes = 64 << 20
    /// Nested evaluations, across macro calls.
    package var depth = 500
    /// Lists in lists.
    package var valueDepth = 100

    package init() {}
}

/// Counts what a rendering has spent.
final class RenderBudget {
    let limits: RenderLimits
    private var work: Int
    private var depth = 0

    init(_ limits: RenderLimits) {
        self.limits = limits
        work = limits.work
    }

    func charge(_ amount: Int = 1) throws(TemplateError) {
        work -= amount
        if work < 0 {
            throw TemplateError("the template does more than \(limits.work) steps of work", kind: .limit)
        }
    }

    /// To be called before a string of this size is made.
    func chargeString(bytes: Int) throws(TemplateError) {
        guard bytes <= limits.stringBytes else {
            throw TemplateError(
                "the template makes a text of more than \(limits.stringBytes) bytes", kind: .limit)
        }
        try charge(bytes / 16)
    }

    func enter() throws(TemplateError) {
        depth += 1
        if depth > limits.depth {
            throw TemplateError("the template nests or recurses too deeply", kind: .limit)
        }
    }

    func leave() { depth -= 1 }
}
