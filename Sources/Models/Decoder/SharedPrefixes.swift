// Sequences of a batch that begin alike, such as those with the same system prompt.

import TensorEngine

/// Which rows of a batch stand for others.
///
/// Attention is causal, so what a row computes follows from the tokens up to it, in every layer. Rows that have the same
/// tokens up to them are computed once; the other sequences read their keys and values. The result is the same but for
/// the order in which gradients are added up, and an adapter's dropout, whose mask is one for all.
package struct SharedPrefixes: Equatable, Sendable {
    /// The rows of the batch that are computed, ascending [U].
    package let computedRows: [Int32]
    /// For every row of the batch which of the computed ones it is, as an index of `computedRows` [T].
    package let sources: [Int32]
    /// How many rows of each sequence, from its first, an earlier sequence computes.
    package let sharedCounts: [Int]

    /// Nil when there is nothing to share.
    ///
    /// - Parameters:
    ///   - batch: rows from a sequence's first output row on are its own; without output rows all are.
    ///   - kinds: of each sequence; those of different kinds share nothing. Not negative; nil where all are of one kind.
    package init?(_ batch: PackedSequences, kinds: [Int32]? = nil) {
        guard let outputRows = batch.outputRows, batch.sequenceCount > 1 else { return nil }
        /// The computed row that follows another with some token. Beginnings follow numbers that no row has.
        var followers: [UInt64: Int32] = [:]
        var computedRows: [Int32] = []
        var sources: [Int32] = []
        var sharedCounts: [Int] = []
        var output = outputRows.startIndex
        for (sequence, (start, end)) in zip(batch.starts, batch.starts.dropFirst()).enumerated() {
            while output < outputRows.endIndex, outputRows[output] < start { output += 1 }
            let limit = output < outputRows.endIndex ? min(end, outputRows[output]) : end
            var previous = UInt32.max - UInt32(kinds?[sequence] ?? 0)
            var sharedCount = 0
            for row in start..<end {
                let step = UInt64(previous) << 32 | UInt64(UInt32(bitPattern: batch.tokens[Int(row)]))
                let isSharable = row < limit
                if isSharable, sharedCount == Int(row - start), let source = followers[step] {
                    sharedCount += 1
                    sources.append(source)
                } else {
                    let source = Int32(computedRows.count)
                    if isSharable { followers[step] = source }
                    computedRows.append(row)
                    sources.append(source)
                }
                previous = UInt32(sources[sources.count - 1])
            }
            sharedCounts.append(sharedCount)
        }
        guard computedRows.count < batch.tokens.count else { return nil }
        self.computedRows = computedRows
        self.sources = sources
        self.sharedCounts = sharedCounts
    }

    /// Every row of the batch out of the computed ones.
    func expansion(on backend: any Backend) -> RowExpansion {
        RowExpansion(sources: sources, sourceCount: computedRows.count, on: backend)
    }
}
