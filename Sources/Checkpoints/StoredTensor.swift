// One tensor of a weight file: a checked description of mapped bytes, nothing copied or decoded.

package import FileSupport

/// A tensor as it lies in a file. The bytes fit type and shape exactly.
// Sendable: the bytes are read-only pages that the owner keeps mapped.
package struct StoredTensor: @unchecked Sendable {
    package let name: String
    package let type: StoredType
    /// Row-major dimensions, outermost first; empty for a scalar.
    package let shape: [Int]
    /// The stored bytes, of any alignment. Valid only while this tensor or another holder of `owner` lives: keep the
    /// tensor beside the pointer, or read through `withBytes`.
    package let bytes: UnsafeRawBufferPointer
    /// Keeps the mapping alive.
    package let owner: MappedFile

    /// - Precondition: the range lies in the file and its length is that of the type and shape. Readers check first.
    init(name: String, type: StoredType, shape: [Int], range: Range<Int>, owner: MappedFile) {
        precondition(
            range.lowerBound >= 0 && range.upperBound <= owner.count, "StoredTensor: \(name) at \(range)")
        precondition(
            type.block.byteCount(shape: shape) == range.count, "StoredTensor: \(name) \(shape) in \(range)")
        self.name = name
        self.type = type
        self.shape = shape
        self.owner = owner
        bytes = UnsafeRawBufferPointer(rebasing: owner.bytes[range])
    }

    /// Some of the outermost dimension's entries, as they lie in the file.
    ///
    /// - Precondition: the range lies in the shape.
    package func slice(_ range: Range<Int>) -> StoredTensor {
        guard let count = shape.first, count > 0, let start = bytes.baseAddress,
            let file = owner.bytes.baseAddress,
            range.lowerBound >= 0, range.upperBound <= count, bytes.count.isMultiple(of: count)
        else { preconditionFailure("StoredTensor: \(range) of \(name) \(shape)") }
        let entry = bytes.count / count
        let offset = start - file
        return StoredTensor(
            name: name, type: type, shape: [range.count] + shape.dropFirst(),
            range: offset + range.lowerBound * entry..<offset + range.upperBound * entry, owner: owner)
    }

    /// How many values there are.
    package var elementCount: Int { shape.reduce(1, *) }
    /// How many bytes they take in the file.
    package var byteCount: Int { bytes.count }
    /// The innermost dimension; 1 for a scalar.
    package var rowWidth: Int { shape.last ?? 1 }
    /// The product of all dimensions but the innermost.
    package var rowCount: Int { shape.dropLast().reduce(1, *) }

    /// The file and tensor, for errors.
    package var location: String { "\(owner.path) tensor \(name)" }

    /// Gives the stored bytes to `body` and keeps them mapped meanwhile.
    package func withBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        defer { extendLifetime(owner) }
        return try body(bytes)
    }

    /// Gives the pages back to the system, which reads the file again should they be needed after all.
    ///
    /// For tensors that have been copied: pages of the file that were read count as this process's memory.
    package func releasePages() {
        guard let start = bytes.baseAddress, let file = owner.bytes.baseAddress else { return }
        let offset = start - file
        owner.advise(.dontNeed, range: offset..<offset + bytes.count)
    }

    /// Throws unless the tensor has this shape.
    package func require(shape expected: [Int]) throws(InputError) {
        guard shape == expected else {
            throw InputError(location, expected: "shape \(expected)", found: "\(shape)")
        }
    }
}
