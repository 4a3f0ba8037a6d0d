// A hash table from a pair of 32-bit numbers to 64 bits: merge rules.

/// Open addressing with linear probing, at most half full; a lookup that misses costs about one cache line.
struct PairTable: Sendable {
    /// What `subscript` gives for a pair that is not in the table; never a stored value.
    static let missing = UInt64.max

    private struct Slot: Sendable {
        /// All ones when the slot is empty: no pair is (0xFFFFFFFF, 0xFFFFFFFF).
        var key = UInt64.max
        var value = PairTable.missing
    }

    private var slots: [Slot]
    private let shift: UInt64
    /// Random, so that no file can be made whose pairs all collide.
    private let multiplier = UInt64.random(in: 0...UInt64.max) | 1

    init(capacity: Int) {
        var bits: UInt64 = 4
        while 1 << bits < 2 * capacity { bits += 1 }
        slots = [Slot](repeating: Slot(), count: 1 << bits)
        shift = 64 - bits
    }

    @inline(__always)
    private static func key(_ left: UInt32, _ right: UInt32) -> UInt64 { UInt64(left) << 32 | UInt64(right) }

    /// Sets the value of a pair. The caller inserts no more pairs than the capacity it asked for.
    mutating func insert(_ left: UInt32, _ right: UInt32, value: UInt64) {
        let key = Self.key(left, right)
        var index = Int((key &* multiplier) >> shift)
        while slots[index].key != UInt64.max, slots[index].key != key {
            index = (index + 1) & (slots.count - 1)
        }
        slots[index] = Slot(key: key, value: value)
    }

    @inline(__always)
    subscript(left: UInt32, right: UInt32) -> UInt64 {
        let key = Self.key(left, right)
        return slots.withUnsafeBufferPointer { slots in
            var index = Int((key &* multiplier) >> shift)
            while true {
                let slot = slots[index]
                if slot.key == key { return slot.value }
                if slot.key == UInt64.max { return Self.missing }
                index = (index + 1) & (slots.count - 1)
            }
        }
    }
}
