// Random numbers that depend on the seed alone, on every machine and with every version of the standard library.

/// SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
package struct SeededGenerator: RandomNumberGenerator, Equatable, Sendable {
    private var state: UInt64

    package init(seed: UInt64) { state = seed }

    /// A generator for one of many streams of a seed, such as the epochs of a run.
    package init(seed: UInt64, stream: UInt64) {
        var outer = SeededGenerator(seed: seed)
        self.init(seed: outer.next() ^ SeededGenerator.mixed(stream &+ 0x9E37_79B9_7F4A_7C15))
    }

    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        return Self.mixed(state)
    }

    /// A number below `bound`; the bias is below bound / 2^64.
    package mutating func below(_ bound: Int) -> Int {
        precondition(bound > 0, "SeededGenerator.below(\(bound))")
        return Int(next().multipliedFullWidth(by: UInt64(bound)).high)
    }

    /// The items in random order. The standard library's `shuffled` may change its algorithm; this one may not, or
    /// resumed runs would see other batches.
    package mutating func shuffled<Item>(_ items: [Item]) -> [Item] {
        var items = items
        for index in items.indices.dropFirst().reversed() { items.swapAt(index, below(index + 1)) }
        return items
    }

    private static func mixed(_ value: UInt64) -> UInt64 {
        var mixed = value
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
