// Where the contributions to one value's gradient add up.

/// The gradient of the loss with respect to one value, as it grows while the tape unwinds.
///
/// Pullbacks hold the slots of their inputs instead of the variables: a value that no pullback reads is then freed
/// during the forward pass, though its gradient is still to come.
package final class GradientSlot {
    private let rowCount: Int
    private let width: Int
    private let type: ElementType
    /// Nil until the first contribution arrives.
    package private(set) var gradient: Tensor?

    init(of value: Tensor) {
        rowCount = value.rowCount
        width = value.width
        type = value.type
    }

    /// Adds a whole contribution. The first one moves in without a copy.
    package func contribute(_ contribution: Tensor, on backend: any Backend) {
        precondition(
            contribution.rowCount == rowCount && contribution.width == width && contribution.type == type,
            "gradient \(contribution.shapeDescription) for a value [\(rowCount), \(width)] \(type.rawValue)")
        guard gradient != nil else {
            gradient = contribution
            return
        }
        let sum = target(on: backend).tensor
        backend.add(sum, contribution, into: sum)
    }

    /// A tensor for a kernel to write a contribution into, and whether it must add to what is there.
    ///
    /// A gradient that moved in may be shared with another slot (both sides of a sum receive the same tensor); it is
    /// copied before anything is added to it.
    package func target(on backend: any Backend) -> (tensor: Tensor, accumulates: Bool) {
        guard var current = take() else {
            let fresh = backend.makeTensor(rowCount: rowCount, width: width, type: type)
            gradient = fresh
            return (fresh, false)
        }
        current.makeStorageUnique(on: backend)
        gradient = current
        return (current, true)
    }

    /// Hands the gradient over and is empty again: an output's gradient is needed once, by its own pullback.
    func take() -> Tensor? {
        defer { gradient = nil }
        return gradient
    }
}

extension Tensor {
    /// Moves to a copy of its own unless this handle is the only one on its storage.
    mutating func makeStorageUnique(on backend: any Backend) {
        if isStorageUnique() { return }
        let copy = backend.makeTensor(rowCount: rowCount, width: width, type: type)
        backend.copy(self, scale: 1, into: copy)
        self = copy
    }
}
