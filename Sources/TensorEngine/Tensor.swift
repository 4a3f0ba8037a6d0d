// A matrix in memory. Rows are tokens or channels; vectors are matrices of one row.

internal import CKernels

/// A row-major matrix handle on shared storage: `rowCount` rows of `width` elements, `rowStride` apart.
///
/// Copying a tensor copies the handle. Views select rows or columns without moving data; there is no broadcasting.
package struct Tensor {
    package private(set) var storage: Storage
    /// First element, counted in elements of `type` from the storage's start.
    package let offset: Int
    package let rowCount: Int
    package let width: Int
    package let rowStride: Int
    package let type: ElementType

    package init(
        storage: Storage, offset: Int = 0, rowCount: Int, width: Int, rowStride: Int? = nil, type: ElementType
    ) {
        let stride = rowStride ?? width
        precondition(
            rowCount >= 0 && width >= 0 && stride >= width && offset >= 0,
            "Tensor: bad shape [\(rowCount), \(width)] with stride \(stride)")
        let end = rowCount == 0 || width == 0 ? 0 : offset + (rowCount - 1) * stride + width
        precondition(
            end * type.byteCount <= storage.byteCount,
            "Tensor: [\(rowCount), \(width)] does not fit its storage of \(storage.byteCount) bytes")
        self.storage = storage
        self.offset = offset
        self.rowCount = rowCount
        self.width = width
        self.rowStride = stride
        self.type = type
    }

    /// New uninitialised memory from a pool.
    package init(rowCount: Int, width: Int, type: ElementType, pool: MemoryPool = .shared) {
        let (count, countOverflow) = rowCount.multipliedReportingOverflow(by: width)
        let (byteCount, byteOverflow) = count.multipliedReportingOverflow(by: type.byteCount)
        precondition(
            rowCount >= 0 && width >= 0 && !countOverflow && !byteOverflow,
            "Tensor: no memory can hold [\(rowCount), \(width)] \(type.rawValue)")
        self.init(
            storage: Storage(byteCount: byteCount, pool: pool), rowCount: rowCount, width: width, type: type)
    }

    package var count: Int { rowCount * width }
    package var byteCount: Int { count * type.byteCount }
    package var isContiguous: Bool { rowStride == width || rowCount <= 1 }
    package var shapeDescription: String { "[\(rowCount), \(width)] \(type.rawValue)" }

    /// A view of some rows.
    package func rows(_ range: Range<Int>) -> Tensor {
        precondition(
            range.lowerBound >= 0 && range.upperBound <= rowCount, "rows \(range) of \(shapeDescription)")
        return Tensor(
            storage: storage, offset: offset + range.lowerBound * rowStride, rowCount: range.count,
            width: width,
            rowStride: rowStride, type: type)
    }

    /// A view of some columns.
    package func columns(_ range: Range<Int>) -> Tensor {
        precondition(
            range.lowerBound >= 0 && range.upperBound <= width, "columns \(range) of \(shapeDescription)")
        return Tensor(
            storage: storage, offset: offset + range.lowerBound, rowCount: rowCount, width: range.count,
            rowStride: rowStride, type: type)
    }

    /// Whether both handles show the same elements.
    func isSameMemory(as other: Tensor) -> Bool {
        storage === other.storage && offset == other.offset && rowCount == other.rowCount
            && width == other.width && rowStride == other.rowStride && type == other.type
    }

    /// Whether this handle is the only one on its storage, so that writing in place is seen by nobody else.
    mutating func isStorageUnique() -> Bool { isKnownUniquelyReferenced(&storage) }

    var address: UnsafeMutableRawPointer { storage.address + offset * type.byteCount }
    var matrix: sl_matrix { sl_matrix(data: address, type: type.kernelType, stride: Int64(rowStride)) }

    /// The elements, for kernels that take a plain f32 array.
    func floats(_ operation: StaticString) -> UnsafeMutablePointer<Float> {
        precondition(
            type == .float32 && isContiguous, "\(operation): expected contiguous f32, got \(shapeDescription)"
        )
        return address.assumingMemoryBound(to: Float.self)
    }

    /// The elements, for kernels that take an index array, after a look at each: an index out of range would make a
    /// kernel read or write foreign memory.
    func indices(
        _ operation: StaticString, from lowest: Int32 = 0, below limit: Int
    ) -> UnsafeMutablePointer<Int32> {
        precondition(
            type == .int32 && isContiguous, "\(operation): expected indices, got \(shapeDescription)")
        let elements = address.assumingMemoryBound(to: Int32.self)
        var smallest = Int32.max
        var largest = Int32.min
        for element in UnsafeBufferPointer(start: elements, count: count) {
            smallest = min(smallest, element)
            largest = max(largest, element)
        }
        precondition(
            count == 0 || (smallest >= lowest && Int(largest) < limit),
            "\(operation): indices \(smallest)...\(largest), expected \(lowest)..<\(limit)")
        return elements
    }
}
