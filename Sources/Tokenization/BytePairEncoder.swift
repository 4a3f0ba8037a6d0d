// Byte-pair encoding of one word: repeatedly merges the pair with the best rank, leftmost first.

import FileSupport

/// The merge rules of a model over token ids, and the tokens that a word starts from.
struct BytePairEncoder: Sendable {
    /// Value of a pair: rank << 32 | id of the merged token, so that the smaller value is the earlier rule.
    private let merges: PairTable
    private let seeds: SeedTokens

    /// Below this many tokens a linear scan for the best pair is faster than a heap.
    private static let longestScannedWord = 64

    init(_ definition: TokenizerDefinition, seeds: SeedTokens, rules: [MergeRule]) throws(InputError) {
        self.seeds = seeds
        guard rules.count < Int(Int32.max) else {
            throw InputError(definition.location, expected: "fewer merges", found: "\(rules.count)")
        }
        var merges = PairTable(capacity: rules.count)
        for (rank, rule) in rules.enumerated() {
            merges.insert(
                UInt32(rule.left), UInt32(rule.right), value: UInt64(rank) << 32 | UInt64(rule.merged))
        }
        self.merges = merges
    }

    /// Appends the tokens of `word` to `output`.
    func encode(_ word: UnsafeBufferPointer<UInt8>, scratch: inout MergeScratch, into output: inout [Int32]) {
        scratch.reset(count: word.count)
        let count = seeds.write(word, to: &scratch.tokens)
        if count <= Self.longestScannedWord {
            mergeByScanning(count: count, scratch: &scratch, into: &output)
        } else {
            mergeByHeap(count: count, scratch: &scratch, into: &output)
        }
    }

    @inline(__always)
    private func rule(_ left: Int32, _ right: Int32) -> UInt64 {
        merges[UInt32(bitPattern: left), UInt32(bitPattern: right)]
    }

    private func mergeByScanning(count: Int, scratch: inout MergeScratch, into output: inout [Int32]) {
        guard count > 0 else { return }
        scratch.tokens.withUnsafeMutableBufferPointer { tokens in
            scratch.rules.withUnsafeMutableBufferPointer { rules in
                var count = count
                for index in 0..<(count - 1) { rules[index] = rule(tokens[index], tokens[index + 1]) }
                while true {
                    var best = PairTable.missing
                    var position = 0
                    for index in 0..<(count - 1) where rules[index] < best {
                        best = rules[index]
                        position = index
                    }
                    guard best != PairTable.missing else { break }
                    tokens[position] = Int32(truncatingIfNeeded: best)
                    count -= 1
                    for index in (position + 1)..<max(count, position + 1) {
                        tokens[index] = tokens[index + 1]
                        rules[index - 1] = rules[index]
                    }
                    if position > 0 { rules[position - 1] = rule(tokens[position - 1], tokens[position]) }
                    if position + 1 < count { rules[position] = rule(tokens[position], tokens[position + 1]) }
                }
                output.append(contentsOf: tokens[..<count])
            }
        }
    }

    /// The same result in O(n log n): a heap of (rank, position), and a linked list of the tokens that are left.
    ///
    /// An entry of the heap is stale when the rule at its position is no longer the one it was pushed for.
    private func mergeByHeap(count: Int, scratch: inout MergeScratch, into output: inout [Int32]) {
        precondition(count < Int(UInt32.max), "BPE of a word of \(count) bytes")
        scratch.prepareLinks(count: count)
        scratch.heap.removeAll()
        scratch.tokens.withUnsafeMutableBufferPointer { tokens in
            scratch.rules.withUnsafeMutableBufferPointer { rules in
                scratch.next.withUnsafeMutableBufferPointer { next in
                    scratch.previous.withUnsafeMutableBufferPointer { previous in
                        /// Looks up the rule of the pair that starts at `position`, and queues it.
                        func refresh(_ position: Int) {
                            let follower = Int(next[position])
                            rules[position] =
                                follower < count
                                ? rule(tokens[position], tokens[follower]) : PairTable.missing
                            guard rules[position] != PairTable.missing else { return }
                            scratch.heap.push(rules[position] & ~0xFFFF_FFFF | UInt64(position))
                        }
                        for position in 0..<count { refresh(position) }
                        while let entry = scratch.heap.popSmallest() {
                            let position = Int(entry & 0xFFFF_FFFF)
                            guard rules[position] != PairTable.missing, rules[position] >> 32 == entry >> 32
                            else { continue }
                            let absorbed = Int(next[position])
                            tokens[position] = Int32(truncatingIfNeeded: rules[position])
                            rules[absorbed] = PairTable.missing
                            next[position] = next[absorbed]
                            if Int(next[position]) < count {
                                previous[Int(next[position])] = UInt32(position)
                            }
                            refresh(position)
                            if position > 0 { refresh(Int(previous[position])) }
                        }
                        var position = 0
                        while position < count {
                            output.append(tokens[position])
                            position = Int(next[position])
                        }
                    }
                }
            }
        }
    }
}
