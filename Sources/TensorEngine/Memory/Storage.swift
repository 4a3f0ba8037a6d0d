// Reference-counted memory behind tensors.

/// A block of memory that tensors share: pooled, or borrowed from an owner such as a mapped file.
package final class Storage {
    package let address: UnsafeMutableRawPointer
    package let byteCount: Int
    /// Keeps borrowed memory alive; nil for pooled memory.
    private let owner: AnyObject?
    /// Where pooled memory goes back to; nil for borrowed memory.
    private let pool: MemoryPool?

    /// Uninitialised memory from a pool.
    package init(byteCount: Int, pool: MemoryPool = .shared) {
        address = pool.allocate(byteCount: byteCount)
        self.byteCount = byteCount
        self.pool = pool
        owner = nil
    }

    /// Memory that `owner` keeps valid. It is only read; writing to it is a broken invariant of the caller.
    package init(borrowing bytes: UnsafeRawBufferPointer, owner: AnyObject) {
        precondition(bytes.baseAddress != nil || bytes.isEmpty, "Storage: no base address")
        address = UnsafeMutableRawPointer(
            mutating: bytes.baseAddress ?? UnsafeRawPointer(Unmanaged.passUnretained(owner).toOpaque()))
        byteCount = bytes.count
        self.owner = owner
        pool = nil
    }

    deinit {
        pool?.free(address)
    }
}
