// Finds tokens in a text: the longest at each place, going from left to right, or all that start at one place.

/// A trie over bytes. Places where no token can start are skipped by a table of first bytes.
struct TokenTrie: Sendable {
    /// Contents longer than this are refused when loading, which bounds the work at each place.
    static let longestContent = 1024

    struct Match {
        /// Number of the pattern in the list that the trie was made from.
        var pattern: Int
        var range: Range<Int>
    }

    /// Child node of (node, byte); node 0 is the root.
    private var edges: PairTable
    /// The pattern that ends at each node, or -1.
    private var patternOfNode: [Int32] = [-1]
    private var startsPattern = [Bool](repeating: false, count: 256)

    /// Of equal patterns the first is the one found; empty ones are never found.
    init(_ patterns: [[UInt8]]) {
        edges = PairTable(capacity: patterns.reduce(0) { $0 + $1.count })
        for (number, pattern) in patterns.enumerated() {
            guard let first = pattern.first else { continue }
            startsPattern[Int(first)] = true
            var node: UInt32 = 0
            for byte in pattern {
                let child = edges[node, UInt32(byte)]
                if child != PairTable.missing {
                    node = UInt32(child)
                } else {
                    let created = UInt32(patternOfNode.count)
                    edges.insert(node, UInt32(byte), value: UInt64(created))
                    patternOfNode.append(-1)
                    node = created
                }
            }
            if patternOfNode[Int(node)] < 0 { patternOfNode[Int(node)] = Int32(number) }
        }
    }

    var isEmpty: Bool { patternOfNode.count == 1 }

    /// The first match that starts at or after `start` and ends by `end`; the longest of those that start there.
    func firstMatch(in bytes: UnsafeBufferPointer<UInt8>, from start: Int, end: Int) -> Match? {
        startsPattern.withUnsafeBufferPointer { startsPattern in
            var position = start
            while position < end {
                guard startsPattern[Int(bytes[position])] else {
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
        var node: UInt32 = 0
        var position = start
        while position < bytes.count {
            let child = edges[node, UInt32(bytes[position])]
            guard child != PairTable.missing else { return }
            node = UInt32(child)
            position += 1
            let pattern = patternOfNode[Int(node)]
            if pattern >= 0 { body(Int(pattern), position) }
        }
    }

    private func longestMatch(in bytes: UnsafeBufferPointer<UInt8>, at start: Int, end: Int) -> Match? {
        var node: UInt32 = 0
        var match: Match?
        var position = start
        while position < end {
            let child = edges[node, UInt32(bytes[position])]
            guard child != PairTable.missing else { break }
            node = UInt32(child)
            position += 1
            let pattern = patternOfNode[Int(node)]
            if pattern >= 0 { match = Match(pattern: Int(pattern), range: start..<position) }
        }
        return match
    }
}
