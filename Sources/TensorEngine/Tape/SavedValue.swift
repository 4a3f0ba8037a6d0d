// What a pullback reads of a value: the value itself, or how to make it again.

/// A value as a pullback holds it until the backward pass.
///
/// Results of operations that only pass over memory (norms, activations) are made again from what is kept anyway: that
/// takes a fraction of a percent of a step, and every adapted layer's input less of memory. The same kernel on the same
/// operands gives the same bits.
package struct SavedValue {
    private enum Source {
        case kept(Tensor)
        case made(() -> Tensor)
    }

    private let source: Source

    init(_ tensor: Tensor) { source = .kept(tensor) }

    /// - Parameter making: computes the value into new memory.
    init(making: @escaping () -> Tensor) { source = .made(making) }

    /// The value. Made anew at every call when it is not kept, so a pullback asks once.
    var tensor: Tensor {
        switch source {
        case .kept(let tensor): tensor
        case .made(let make): make()
        }
    }

    /// How to make the value, nil where it is kept.
    package var making: (() -> Tensor)? {
        if case .made(let make) = source { return make }
        return nil
    }
}
