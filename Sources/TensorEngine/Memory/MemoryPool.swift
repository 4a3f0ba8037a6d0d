// A heap of our own for tensor memory: a steady training step takes nothing from the system.

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif
internal import Synchronization

/// Hands out 64-byte aligned blocks from one reserved address range and takes them back, merging free neighbours.
///
/// The range is reserved once and made usable in steps, so a block never moves and the peak is simply how far the
/// range has been used. Batches differ in length from step to step; a pool of exact sizes would keep one copy of each,
/// a heap with merging does not. Best fit over size classes of an eighth of a power of two.
package final class MemoryPool: Sendable {
    /// The pool of tensors that name no other.
    package static let shared = MemoryPool()

    /// What the pool has done so far; all sizes in bytes.
    package struct Statistics: Sendable, Equatable {
        /// Bytes in live blocks.
        package var liveBytes = 0
        /// The largest `liveBytes` has been since `resetPeak()`.
        package var peakLiveBytes = 0
        /// Bytes made usable so far.
        package var committedBytes = 0
        /// How often the system was asked for more: constant in a steady step.
        package var systemRequests = 0
    }

    private let heap = Mutex(Heap())

    /// A pool of its own, for what must not share `shared`'s statistics.
    package init() {}

    deinit { heap.withLock { $0.releaseRange() } }

    package var statistics: Statistics { heap.withLock { $0.statistics } }

    package func resetPeak() {
        heap.withLock { $0.statistics.peakLiveBytes = $0.statistics.liveBytes }
    }

    /// A block of at least `byteCount` bytes, uninitialised.
    package func allocate(byteCount: Int) -> UnsafeMutableRawPointer {
        precondition(byteCount >= 0, "MemoryPool.allocate: negative size \(byteCount)")
        let address = heap.withLock { $0.allocate(byteCount: max(byteCount, 1)) }
        guard let address, let pointer = UnsafeMutableRawPointer(bitPattern: address) else {
            preconditionFailure("out of memory: a tensor of \(byteCount) bytes does not fit this machine")
        }
        return pointer
    }

    package func free(_ pointer: UnsafeMutableRawPointer) {
        heap.withLock { $0.free(address: UInt(bitPattern: pointer)) }
    }
}

/// The bookkeeping of a `MemoryPool`: blocks in address order, free ones also in lists by size class.
private struct Heap {
    private struct Block {
        var address: UInt
        var size: Int
        var isFree: Bool
        /// Neighbours in address order, -1 at the ends.
        var previous: Int
        var next: Int
        /// Place in its free list, meaningless while in use.
        var freeListPosition = -1
    }

    var statistics = MemoryPool.Statistics()
    private var blocks: [Block] = []
    private var unusedBlockNumbers: [Int] = []
    private var freeLists = [[Int]](repeating: [], count: 64 * 8)
    private var blockAtAddress: [UInt: Int] = [:]
    private var rangeStart: UInt = 0
    private var rangeSize = 0
    private var lastBlock = -1

    private static let alignment = 64
    private static let commitStep = 32 << 20

    /// Size class: eight per power of two. Every block in a class above that of a request is large enough.
    private static func sizeClass(_ size: Int) -> Int {
        let exponent = Int.bitWidth - 1 - size.leadingZeroBitCount
        let fraction = exponent >= 3 ? (size >> (exponent - 3)) & 7 : 0
        return exponent * 8 + fraction
    }

    mutating func allocate(byteCount: Int) -> UInt? {
        if rangeStart == 0 && !reserveRange() { return nil }
        // Also keeps the roundings below and in `extend` from overflowing.
        guard byteCount <= rangeSize else { return nil }
        let size = (byteCount + Self.alignment - 1) / Self.alignment * Self.alignment
        guard let number = takeFreeBlock(size: size) ?? extend(size: size) else { return nil }
        split(number, keeping: size)
        blocks[number].isFree = false
        blockAtAddress[blocks[number].address] = number
        statistics.liveBytes += blocks[number].size
        statistics.peakLiveBytes = max(statistics.peakLiveBytes, statistics.liveBytes)
        return blocks[number].address
    }

    mutating func free(address: UInt) {
        guard let number = blockAtAddress.removeValue(forKey: address) else {
            preconditionFailure("MemoryPool.free: not a live block")
        }
        statistics.liveBytes -= blocks[number].size
        blocks[number].isFree = true
        var merged = number
        let next = blocks[number].next
        if next >= 0, blocks[next].isFree {
            removeFromFreeList(next)
            absorb(next, into: merged)
        }
        let previous = blocks[number].previous
        if previous >= 0, blocks[previous].isFree {
            removeFromFreeList(previous)
            absorb(merged, into: previous)
            merged = previous
        }
        addToFreeList(merged)
    }

    /// Reserves addresses, not memory: twice what the machine has, so fragmentation never ends a run early.
    private mutating func reserveRange() -> Bool {
        let physical = sysconf(Int32(_SC_PHYS_PAGES)) * sysconf(Int32(_SC_PAGESIZE))
        var wanted = max(2 * physical, 1 << 32)
        while wanted >= Self.commitStep {
            let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
            let memory = mmap(nil, wanted, PROT_NONE, flags, -1, 0)
            if let memory, memory != MAP_FAILED {
                rangeStart = UInt(bitPattern: memory)
                rangeSize = wanted
                return true
            }
            wanted /= 2
        }
        return false
    }

    mutating func releaseRange() {
        if let start = UnsafeMutableRawPointer(bitPattern: rangeStart) { munmap(start, rangeSize) }
    }

    private mutating func takeFreeBlock(size: Int) -> Int? {
        let own = Self.sizeClass(size)
        // In the request's own class some blocks are too small: take the tightest of those that fit.
        var best: Int?
        for number in freeLists[own] where blocks[number].size >= size {
            if let current = best, blocks[current].size <= blocks[number].size { continue }
            best = number
        }
        if best == nil {
            for list in freeLists[(own + 1)...] {
                guard let number = list.last else { continue }
                best = number
                break
            }
        }
        if let best { removeFromFreeList(best) }
        return best
    }

    /// Makes more of the range usable, as one free block at its end of at least `size` bytes.
    private mutating func extend(size: Int) -> Int? {
        let endsFree = lastBlock >= 0 && blocks[lastBlock].isFree
        let missing = endsFree ? size - blocks[lastBlock].size : size
        let step = (missing + Self.commitStep - 1) / Self.commitStep * Self.commitStep
        guard statistics.committedBytes <= rangeSize - step else { return nil }
        let address = rangeStart + UInt(statistics.committedBytes)
        guard let pointer = UnsafeMutableRawPointer(bitPattern: address),
            mprotect(pointer, step, PROT_READ | PROT_WRITE) == 0
        else { return nil }
        // Large pages save address translations in the matrix kernels; a refusal costs only speed.
        _ = madvise(pointer, step, 14 /* MADV_HUGEPAGE */)
        statistics.committedBytes += step
        statistics.systemRequests += 1
        if endsFree {
            removeFromFreeList(lastBlock)
            blocks[lastBlock].size += step
            return lastBlock
        }
        let number = newBlock(
            Block(address: address, size: step, isFree: true, previous: lastBlock, next: -1))
        if lastBlock >= 0 { blocks[lastBlock].next = number }
        lastBlock = number
        return number
    }

    private mutating func split(_ number: Int, keeping size: Int) {
        let rest = blocks[number].size - size
        guard rest >= Self.alignment else { return }
        let next = blocks[number].next
        let tail = newBlock(
            Block(
                address: blocks[number].address + UInt(size), size: rest, isFree: true, previous: number,
                next: next))
        if next >= 0 { blocks[next].previous = tail } else { lastBlock = tail }
        blocks[number].next = tail
        blocks[number].size = size
        addToFreeList(tail)
    }

    private mutating func absorb(_ later: Int, into earlier: Int) {
        blocks[earlier].size += blocks[later].size
        let next = blocks[later].next
        blocks[earlier].next = next
        if next >= 0 { blocks[next].previous = earlier } else { lastBlock = earlier }
        unusedBlockNumbers.append(later)
    }

    private mutating func newBlock(_ block: Block) -> Int {
        if let number = unusedBlockNumbers.popLast() {
            blocks[number] = block
            return number
        }
        blocks.append(block)
        return blocks.count - 1
    }

    private mutating func addToFreeList(_ number: Int) {
        let list = Self.sizeClass(blocks[number].size)
        blocks[number].freeListPosition = freeLists[list].count
        freeLists[list].append(number)
    }

    private mutating func removeFromFreeList(_ number: Int) {
        let list = Self.sizeClass(blocks[number].size)
        let position = blocks[number].freeListPosition
        guard let moved = freeLists[list].popLast(), moved != number else { return }
        freeLists[list][position] = moved
        blocks[moved].freeListPosition = position
    }
}
