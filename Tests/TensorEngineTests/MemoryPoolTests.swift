// The tensor heap: no overlaps, full merging, steady state, statistics, threads.

import TensorEngine
import TestSupport
import Testing

@Suite struct `The memory pool` {
    /// Live blocks, each filled with its own byte, so that an overlap shows as a foreign byte.
    private struct FilledBlocks {
        let pool: MemoryPool
        var live: [(address: UnsafeMutableRawPointer, byteCount: Int, mark: UInt8)] = []

        mutating func allocate(_ byteCount: Int, mark: UInt8) {
            let address = pool.allocate(byteCount: byteCount)
            #expect(UInt(bitPattern: address) % 64 == 0)
            address.initializeMemory(as: UInt8.self, repeating: mark, count: byteCount)
            live.append((address, byteCount, mark))
        }

        /// Frees one block after a look at its bytes.
        mutating func free(_ index: Int) {
            let block = live.remove(at: index)
            let bytes = UnsafeRawBufferPointer(start: block.address, count: block.byteCount)
            let isIntact = bytes.withMemoryRebound(to: UInt8.self) { $0.allSatisfy { $0 == block.mark } }
            #expect(isIntact, "a block of \(block.byteCount) bytes was overwritten")
            pool.free(block.address)
        }
    }

    private static func randomSize(_ random: inout SeededRandom) -> Int {
        // As many sizes of one byte as of a megabyte.
        let magnitude = Int.random(in: 0...18, using: &random)
        return Int.random(in: 1 << magnitude..<2 << magnitude, using: &random)
    }

    @Test(arguments: 1...4)
    func `keeps blocks apart and merges them all when they are free`(seed: Int) {
        let pool = MemoryPool()
        var random = SeededRandom(seed: UInt64(seed))
        var blocks = FilledBlocks(pool: pool)
        for step in 0..<1500 {
            if blocks.live.isEmpty || random.next() % 5 < 3 && blocks.live.count < 150 {
                blocks.allocate(Self.randomSize(&random), mark: UInt8(truncatingIfNeeded: step))
            } else {
                blocks.free(Int.random(in: 0..<blocks.live.count, using: &random))
            }
        }
        while !blocks.live.isEmpty {
            blocks.free(Int.random(in: 0..<blocks.live.count, using: &random))
        }
        let statistics = pool.statistics
        #expect(statistics.liveBytes == 0)
        // One block of everything: only a heap that has merged completely can serve it without asking for more.
        let whole = pool.allocate(byteCount: statistics.committedBytes)
        #expect(pool.statistics.systemRequests == statistics.systemRequests)
        #expect(pool.statistics.liveBytes == statistics.committedBytes)
        pool.free(whole)
    }

    @Test func `serves every size around a class boundary`() {
        let pool = MemoryPool()
        var blocks = FilledBlocks(pool: pool)
        for exponent in 0...20 {
            for offset in -1...1 where (1 << exponent) + offset > 0 {
                blocks.allocate((1 << exponent) + offset, mark: UInt8(exponent))
            }
        }
        blocks.allocate(0, mark: 0)
        while !blocks.live.isEmpty { blocks.free(blocks.live.count / 2) }
        #expect(pool.statistics.liveBytes == 0)
    }

    @Test func `reuses a hole that fits and takes the tightest`() {
        let pool = MemoryPool()
        let sizes = [4096, 64, 4096 + 64, 64, 4096 + 128, 64]
        let blocks = sizes.map { pool.allocate(byteCount: $0) }
        for index in [4, 0, 2] { pool.free(blocks[index]) }
        #expect(pool.allocate(byteCount: 4096 + 64) == blocks[2])
        #expect(pool.allocate(byteCount: 4096) == blocks[0])
        #expect(pool.allocate(byteCount: 4096 + 128) == blocks[4])
    }

    @Test func `counts live bytes, their peak and requests to the system`() {
        let pool = MemoryPool()
        #expect(pool.statistics.committedBytes == 0)
        let first = pool.allocate(byteCount: 1000)
        let second = pool.allocate(byteCount: 64)
        #expect(pool.statistics.liveBytes == 1024 + 64)
        #expect(pool.statistics.systemRequests == 1)
        pool.free(first)
        #expect(pool.statistics.liveBytes == 64)
        #expect(pool.statistics.peakLiveBytes == 1024 + 64)
        pool.resetPeak()
        #expect(pool.statistics.peakLiveBytes == 64)
        let large = pool.allocate(byteCount: 100 << 20)
        #expect(pool.statistics.systemRequests == 2)
        #expect(pool.statistics.committedBytes >= 100 << 20)
        pool.free(large)
        pool.free(second)
    }

    @Test func `serves several threads at once`() async {
        let pool = MemoryPool()
        await withTaskGroup(of: Void.self) { group in
            for thread in 0..<4 {
                group.addTask {
                    var random = SeededRandom(seed: UInt64(thread))
                    var blocks = FilledBlocks(pool: pool)
                    for _ in 0..<400 {
                        if blocks.live.isEmpty || random.next() & 1 == 0 {
                            let size = Int.random(in: 1...20_000, using: &random)
                            blocks.allocate(size, mark: UInt8(thread + 1))
                        } else {
                            blocks.free(Int.random(in: 0..<blocks.live.count, using: &random))
                        }
                    }
                    while !blocks.live.isEmpty { blocks.free(0) }
                }
            }
        }
        #expect(pool.statistics.liveBytes == 0)
    }

    @Test(arguments: [ElementType.float32, .bfloat16])
    func `takes nothing from the system in a steady step`(type: ElementType) {
        let pool = MemoryPool()
        let block = TinyBlock(type: type, sequenceLengths: [100, 61], headWidth: 16, pool: pool)
        _ = block.run(dropoutRate: 0.1)
        let warm = pool.statistics
        for _ in 0..<3 {
            pool.resetPeak()
            _ = block.run(dropoutRate: 0.1)
            #expect(pool.statistics.systemRequests == warm.systemRequests)
            #expect(pool.statistics.committedBytes == warm.committedBytes)
            // Everything but the parameters' gradients, which stay, is back.
            #expect(pool.statistics.liveBytes == warm.liveBytes)
            #expect(pool.statistics.peakLiveBytes > warm.liveBytes)
        }
        block.clearGradients()
        #expect(pool.statistics.liveBytes < warm.liveBytes)
    }

    @Test func `has all memory back when nothing uses it`() {
        let pool = MemoryPool()
        do {
            let block = TinyBlock(type: .float32, pool: pool)
            _ = block.run()
            #expect(pool.statistics.liveBytes > 0)
        }
        #expect(pool.statistics.liveBytes == 0)
    }
}
