// A value on the tape, and the trainable leaves.

/// A tensor that takes part in differentiation.
package class Variable {
    package let value: Tensor
    /// Whether any trainable parameter lies beneath: operations record nothing for inputs that need no gradient.
    package let needsGradient: Bool
    /// The gradient of the loss so far; nil until the first contribution arrives.
    package fileprivate(set) var gradient: Tensor?

    package init(_ value: Tensor, needsGradient: Bool = false) {
        self.value = value
        self.needsGradient = needsGradient
    }

    /// Adds a whole contribution. The first one moves in without a copy.
    package final func contribute(_ contribution: Tensor, on backend: any Backend) {
        guard needsGradient else { return }
        guard gradient != nil else {
            gradient = contribution
            return
        }
        let target = gradientTarget(on: backend).tensor
        backend.add(target, contribution, into: target)
    }

    /// A tensor for a kernel to write a contribution into, and whether it must add to what is there.
    ///
    /// A gradient that moved in may still be shared with another variable (both sides of a sum receive the same
    /// tensor); it is copied before anything is added to it.
    package final func gradientTarget(on backend: any Backend) -> (tensor: Tensor, accumulates: Bool) {
        guard var current = gradient else {
            let fresh = backend.makeTensor(rowCount: value.rowCount, width: value.width, type: value.type)
            gradient = fresh
            return (fresh, false)
        }
        gradient = nil
        if !current.isStorageUnique() {
            let copy = backend.makeTensor(rowCount: current.rowCount, width: current.width, type: current.type)
            backend.copy(current, scale: 1, into: copy)
            current = copy
        }
        gradient = current
        return (current, true)
    }

    /// Hands the gradient over: an output's gradient is needed once, by its own pullback.
    final func takeGradient() -> Tensor? {
        defer { gradient = nil }
        return gradient
    }
}

/// A trainable leaf in f32. Its gradient adds up over micro-batches until `clearGradient()`.
package final class Parameter: Variable {
    /// What the parameter is called in files, e.g. `model.layers.0.self_attn.q_proj.lora_A.weight`.
    package let name: String

    package init(name: String, value: Tensor) {
        precondition(value.type == .float32 && value.isContiguous, "parameter \(name): \(value.shapeDescription)")
        self.name = name
        super.init(value, needsGradient: true)
    }

    package func clearGradient() { gradient = nil }
}
