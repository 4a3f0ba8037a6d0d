// A value on the tape, and the trainable leaves.

/// A tensor that takes part in differentiation.
package class Variable {
    package let value: Tensor
    /// Nil when nothing trainable lies beneath: operations record nothing for inputs that need no gradient.
    package let gradientSlot: GradientSlot?
    /// What pullbacks hold of the value.
    package let saved: SavedValue

    package convenience init(_ value: Tensor, needsGradient: Bool = false) {
        self.init(value, slot: needsGradient ? GradientSlot(of: value) : nil)
    }

    init(_ value: Tensor, slot: GradientSlot?, making: (() -> Tensor)? = nil) {
        self.value = value
        gradientSlot = slot
        saved = making.map { SavedValue(making: $0) } ?? SavedValue(value)
    }

    /// Whether any trainable parameter lies beneath.
    package final var needsGradient: Bool { gradientSlot != nil }

    /// The gradient of the loss so far; nil until the first contribution arrives, and again once the pullback of the
    /// operation that made this value has taken it.
    package final var gradient: Tensor? { gradientSlot?.gradient }

    /// Adds a whole contribution to the gradient, where one is needed.
    package final func contribute(_ contribution: Tensor, on backend: any Backend) {
        gradientSlot?.contribute(contribution, on: backend)
    }
}

/// A trainable leaf in f32. Its gradient adds up over micro-batches until `clearGradient()`.
package final class Parameter: Variable {
    /// What the parameter is called in files, e.g. `model.layers.0.self_attn.q_proj.lora_A.weight`.
    package let name: String

    package init(name: String, value: Tensor) {
        precondition(
            value.type == .float32 && value.isContiguous, "parameter \(name): \(value.shapeDescription)")
        self.name = name
        super.init(value, slot: GradientSlot(of: value))
    }

    package func clearGradient() { _ = gradientSlot?.take() }
}
