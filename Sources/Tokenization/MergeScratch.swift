// Working memory of byte-pair merging, reused from word to word so that a word allocates nothing.

struct MergeScratch: Sendable {
    /// The tokens that are left of the current word.
    var tokens: [Int32] = []
    /// `rules[i]` is the merge rule of the pair that starts at token i.
    var rules: [UInt64] = []
    /// Positions of the neighbouring tokens, for long words only.
    var next: [UInt32] = []
    var previous: [UInt32] = []
    var heap = MinimumHeap()

    mutating func reset(count: Int) {
        guard tokens.count < count else { return }
        tokens = [Int32](repeating: 0, count: max(64, 2 * count))
        rules = [UInt64](repeating: 0, count: tokens.count)
    }

    mutating func prepareLinks(count: Int) {
        if next.count < count {
            next = [UInt32](repeating: 0, count: tokens.count)
            previous = next
        }
        for position in 0..<count {
            next[position] = UInt32(position + 1)
            previous[position] = UInt32(max(position, 1) - 1)
        }
    }

    /// Gives back what an unusually long word took.
    mutating func trim(to limit: Int = 1 << 16) {
        if tokens.count > limit { self = MergeScratch() }
    }
}

/// A binary heap of integers, smallest first.
struct MinimumHeap: Sendable {
    private var items: [UInt64] = []

    mutating func removeAll() { items.removeAll(keepingCapacity: true) }

    mutating func push(_ item: UInt64) {
        items.append(item)
        items.withUnsafeMutableBufferPointer { items in
            var index = items.count - 1
            while index > 0 {
                let parent = (index - 1) / 2
                guard items[parent] > item else { break }
                items[index] = items[parent]
                index = parent
            }
            items[index] = item
        }
    }

    mutating func popSmallest() -> UInt64? {
        guard let last = items.popLast() else { return nil }
        guard let smallest = items.first else { return last }
        items.withUnsafeMutableBufferPointer { items in
            var index = 0
            while true {
                var child = 2 * index + 1
                guard child < items.count else { break }
                if child + 1 < items.count, items[child + 1] < items[child] { child += 1 }
                guard items[child] < last else { break }
                items[index] = items[child]
                index = child
            }
            items[index] = last
        }
        return smallest
    }
}
