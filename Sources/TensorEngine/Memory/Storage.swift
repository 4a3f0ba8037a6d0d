// Reference-counted memory behind tensors.

/// A block of pooled memory that tensors share.
package final class Storage {
    package let address: UnsafeMutableRawPointer
    package let byteCount: Int
    private let pool: MemoryPool

    /// Uninitialised memory from a pool.
    package init(byteCount: Int, pool: MemoryPool = .shared) {
        address = pool.allocate(byteCount: byteCount)
        self.byteCount = byteCount
        self.pool = pool
    }

    deinit {
        pool.free(address)
    }
}
