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

    /// Whether an operation with these inputs has to keep anything for the backward pass.
    package func records(_ inputs: Variable?...) -> Bool {
        isRecording && inputs.contains { $0?.needsGradient == true }
    }

    /// A result that nothing trainable lies beneath, or that is not being recorded.
    package func constant(_ value: Tensor) -> Variable { Variable(value) }

    /// A recorded result. The pullback receives the result's gradient and contributes to the inputs'; it is skipped
    /// when no gradient arrived.
    package func record(_ value: Tensor, pullback: @escaping (_ outputGradient: Tensor) -> Void) -> Variable {
        recordOwning(value) { pullback($0) }
    }

    /// Like `record`, for a pullback that turns the gradient into the input's in its own memory when nobody else
    /// holds it.
    package func recordOwning(_ value: Tensor, pullback: @escaping (inout Tensor) -> Void) -> Variable {
        let output = Variable(value, needsGradient: true)
        pullbacks.append {
            guard var gradient = output.takeGradient() else { return }
            pullback(&gradient)
        }
        return output
    }

    /// Records the source of gradients: a loss, whose pullback needs nothing from above.
    func recordSource(_ pullback: @escaping () -> Void) { pullbacks.append(pullback) }

    /// Runs all pullbacks, newest first, and empties the tape.
    package func backward() {
        while let pullback = pullbacks.popLast() { pullback() }
    }

    /// Drops everything recorded, for a step that is given up.
    package func reset() { pullbacks.removeAll() }
}
