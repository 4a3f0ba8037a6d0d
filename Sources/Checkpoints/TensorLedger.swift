// Which tensors of a source a loader has taken: one missing is an error, and so is one left over.

package import FileSupport

/// Reads tensors for a loader and remembers which, so that nothing in the file stays unread by mistake.
package final class TensorLedger {
    package let source: any WeightSource
    private var accountedFor: Set<String> = []

    package init(_ source: any WeightSource) { self.source = source }

    /// The tensor of this name and shape.
    ///
    /// - Throws: `InputError` when it is missing, of another shape, or of a type that cannot be read.
    package func take(_ name: String, shape: [Int]) throws(InputError) -> StoredTensor {
        let tensor = try source.tensor(named: name)
        try tensor.require(shape: shape)
        accountedFor.insert(name)
        return tensor
    }

    /// The tensor of this name and shape, or nil when the source has none of this name.
    package func takeIfPresent(_ name: String, shape: [Int]) throws(InputError) -> StoredTensor? {
        source.contains(name) ? try take(name, shape: shape) : nil
    }

    /// Leaves out a tensor that the source may hold and nobody needs, such as stored rotary frequencies.
    package func ignore(_ name: String) { accountedFor.insert(name) }

    /// The tensors nobody took, in file order.
    package var unused: [String] { source.tensorNames.filter { !accountedFor.contains($0) } }

    /// Throws when tensors are left over: the loader would otherwise build another model than the file holds.
    package func finish() throws(InputError) {
        let unused = unused
        guard let first = unused.first else { return }
        let shown = unused.prefix(5).joined(separator: ", ") + (unused.count > 5 ? ", ..." : "")
        throw InputError(
            source.path,
            unused.count == 1
                ? "the tensor \(first) belongs to no part of the model"
                : "\(unused.count) tensors belong to no part of the model: \(shown)",
            advice: "The model's configuration does not describe these weights.")
    }
}
