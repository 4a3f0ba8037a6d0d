// Finds tokens in a text: the longest at each place, going from left to right, or all that start at one place.

/// A trie over bytes, its nodes in breadth-first order: the children of a node stand side by side, sorted by their bytes.
/// Places where no token can start are skipped by a table of first bytes.
struct TokenTrie: Sendable {
    /// Contents longer than this are refused when loading, which bounds the work at each place.
    static let longestContent = 1024

    struct Match {
        /// Number of the pattern in the list that the trie was made from.
        var pattern: Int
        var range: Range<Int>
    }

    /// The byte that leads to each node; node 0 is the root.
    private var labels: [UInt8] = [0]
    /// The children of node n are those from `firstChild[n]` up to `firstChild[n + 1]`.
    private var firstChild: [UInt32] = []
    /// The pattern that ends at each node, or -1.
    private var patternOfNode: [Int32] = [-1]
    /// The child of the root for each byte, or -1.
    private var childOfRoot = [Int32](repeating: -1, count: 256)

    /// Of equal patterns the first is the one found; empty ones are never found.
    init(_ patterns: [[UInt8]]) {
        // The first bytes as a number decide nearly always, and fast.
        let heads = patterns.map { pattern in
            (0..<8).reduce(UInt64(0)) { $0 << 8 | ($1 < pattern.count ? UInt64(pattern[$1]) : 0) }
        }
        let order = patterns.indices.filter { !patterns[$0].isEmpty }.sorted {
            if heads[$0] != heads[$1] { return heads[$0] < heads[$1] }
            if patterns[$0] == patterns[$1] { return $0 < $1 }
            return patterns[$0].lexicographicallyPrecedes(patterns[$1])
        }
        // The patterns, in `order`, that lead through the nodes of one depth.
        var ranges = [0..<order.count]
        var depth = 0
        while !ranges.isEmpty {
            var deeper: [Range<Int>] = []
            for range in ranges {
                firstChild.append(UInt32(labels.count))
                var start = range.lowerBound
                // The shorter ones come first, and have found their node already.
                while start < range.upperBound, patterns[order[start]].count == depth { start += 1 }
                while start < range.upperBound {
                    let byte = patterns[order[start]][depth]
                    var end = start + 1
                    while end < range.upperBound, patterns[order[end]][depth] == byte { end += 1 }
                    if depth == 0 { childOfRoot[Int(byte)] = Int32(labels.count) }
                    labels.append(byte)
                    let isEnd = patterns[order[start]].count == depth + 1
                    patternOfNode.append(isEnd ? Int32(order[start]) : -1)
                    deeper.append(start..<end)
                    start = end
                }
            }
            ranges = deeper
            depth += 1
        }
        firstChild.append(UInt32(labels.count))
    }

    /// The child of a node that `byte` leads to; nil where there is none.
    @inline(__always)
    private func child(of node: Int, _ byte: UInt8) -> Int? {
        if node == 0 {
            let child = childOfRoot[Int(byte)]
            return child < 0 ? nil : Int(child)
        }
        var low = Int(firstChild[node])
        let end = Int(firstChild[node + 1])
        var high = end
        while high - low > 4 {
            let middle = (low + high) / 2
            if labels[middle] <= byte { low = middle } else { high = middle }
        }
        while low < high, labels[low] < byte { low += 1 }
        return low < high && labels[low] == byte ? low : nil
    }

    var isEmpty: Bool { patternOfNode.count == 1 }

    /// The first match that starts at or after `start` and ends by `end`; the longest of those that start there.
    func firstMatch(in bytes: UnsafeBufferPointer<UInt8>, from start: Int, end: Int) -> Match? {
        childOfRoot.withUnsafeBufferPointer { childOfRoot in
            var position = start
            while position < end {
                guard childOfRoot[Int(bytes[position])] >= 0 else {
                    position += 1
                    continue
                }
                if let match = longestMatch(in: bytes, at: position, end: end) { return match }
                position += 1
            }
            return nil
        }
    }

    /// Calls `body` with every pattern that stands at `start`, shortest first, and where it ends.
    @inline(__always)
    func forEachPrefix(
        of bytes: UnsafeBufferPointer<UInt8>, at start: Int, _ body: (_ pattern: Int, _ end: Int) -> Void
    ) {
        var node = 0
        var position = start
        while position < bytes.count, let child = child(of: node, bytes[position]) {
            node = child
            position += 1
            let pattern = patternOfNode[node]
            if pattern >= 0 { body(Int(pattern), position) }
        }
    }

    private func longestMatch(in bytes: UnsafeBufferPointer<UInt8>, at start: Int, end: Int) -> Match? {
        var node = 0
        var match: Match?
        var position = start
        while position < end, let child = child(of: node, bytes[position]) {
            node = child
            position += 1
            let pattern = patternOfNode[node]
            if pattern >= 0 { match = Match(pattern: Int(pattern), range: start..<position) }
        }
        return match
    }
}
