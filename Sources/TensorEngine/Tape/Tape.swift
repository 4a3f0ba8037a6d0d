// The tape: what ran forward, in order, with what its pullback needs.

/// Records coarse operations and runs their pullbacks in reverse.
///
/// Not a general differentiator: each operation in `Operations/` writes its own forward and pullback side by side.
/// Nothing is recorded for inputs that need no gradient, and what a pullback has captured is released as soon as it
/// has run, so memory falls while the tape unwinds.
package final class Tape {
    package let backend: any Backend
    /// False in evaluation and generation: operations then keep nothing for a backward pass.
    package let isRecording: Bool
    private var pullbacks: [() -> Void] = []

    package init(backend: any Backend, isRecording: Bool = true) {
        self.backend = backend
        self.isRecording = isRecording
    }

    /// How many pullbacks wait for the backward pass.
    package var recordedCount: Int { pullbacks.count }

    /// Whether an operation with these inputs has to keep anything for the backward pass.
    package func records(_ inputs: Variable...) -> Bool {
        isRecording && inputs.contains { $0.needsGradient }
    }

    /// A result that nothing trainable lies beneath, or that is not being recorded.
    package func constant(_ value: Tensor) -> Variable { Variable(value) }

    /// A recorded result. The pullback receives the result's gradient and contributes to the inputs'; it is skipped
    /// when no gradient arrived.
    ///
    /// A pullback may change the gradient in its own memory when it holds the only handle. It captures the inputs'
    /// gradient slots, and of their values only what it reads.
    /// - Parameter making: computes the value again from what the tape keeps anyway, bit for bit, so that pullbacks which
    ///   read it need not hold it; nil where that would cost more than it saves.
    package func record(
        _ value: Tensor, making: (() -> Tensor)? = nil,
        pullback: @escaping (_ outputGradient: inout Tensor) -> Void
    ) -> Variable {
        let slot = GradientSlot(of: value)
        pullbacks.append {
            guard var gradient = slot.take() else { return }
            pullback(&gradient)
        }
        return Variable(value, slot: slot, making: making)
    }

    /// Several results of one operation. The pullback receives their gradients, nil where none arrived, and is skipped
    /// when none did.
    package func record(_ values: [Tensor], pullback: @escaping (_ outputGradients: [Tensor?]) -> Void)
        -> [Variable]
    {
        let slots = values.map { GradientSlot(of: $0) }
        pullbacks.append {
            let gradients = slots.map { $0.take() }
            if gradients.contains(where: { $0 != nil }) { pullback(gradients) }
        }
        return zip(values, slots).map { Variable($0, slot: $1) }
    }

    /// Records the source of gradients: a loss, whose pullback needs nothing from above.
    func recordSource(_ pullback: @escaping () -> Void) { pullbacks.append(pullback) }

    /// Runs all pullbacks, newest first, and empties the tape.
    package func backward() {
        while let pullback = pullbacks.popLast() { pullback() }
    }

    /// The same for an objective whose gradient with respect to `output` is given.
    package func backward(from output: Variable, gradient: Tensor) {
        output.contribute(gradient, on: backend)
        backward()
    }

    /// Drops everything recorded, for a step that is given up.
    package func reset() { pullbacks.removeAll() }
}
