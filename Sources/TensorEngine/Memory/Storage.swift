// Reference-counted memory behind tensors.

/// A block of memory that tensors share: pooled, or borrowed from an owner such as a mapped file.
package final class Storage {
    package let address: UnsafeMutableRawPointer
    package let byteCount: Int
    /// Keeps borrowed memory alive; nil for pooled memory.
    private let owner: AnyObject?

    /// Uninitialised memory from the pool.
    package init(byteCount: Int) {
        address = MemoryPool.shared.allocate(byteCount: byteCount)
        self.byteCount = byteCount
        owner = nil
    }

    /// Memory that `owner` keeps valid. It is only read; writing to it is a broken invariant of the caller.
    package init(borrowing bytes: UnsafeRawBufferPointer, owner: AnyObject) {
        precondition(bytes.baseAddress != nil || bytes.isEmpty, "Storage: no base address")
        address = UnsafeMutableRawPointer(
            mutating: bytes.baseAddress ?? UnsafeRawPointer(Unmanaged.passUnretained(owner).toOpaque()))
        byteCount = bytes.count
        self.owner = owner
    }

    deinit {
        if owner == nil { MemoryPool.shared.free(address) }
    }
}
