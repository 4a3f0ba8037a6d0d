// The rows of a batch as far as their cost goes: how long sequences are, which rows are scored, which run sparse.

package import Models

/// The rows of one batch.
package struct StepRows: Equatable, Sendable {
    /// Tokens of each sequence.
    package let sequenceLengths: [Int]
    /// Of each sequence, the positions whose output is scored, ascending.
    package let labelledPositions: [[Int]]
    /// How many rows of each sequence, from its first, another sequence computes for it; none of them is scored.
    package let sharedCounts: [Int]

    /// - Parameter sharedCounts: nil where sequences share nothing.
    /// - Precondition: one list of positions for each sequence, each position within its sequence.
    package init(sequenceLengths: [Int], labelledPositions: [[Int]], sharedCounts: [Int]? = nil) {
        let sharedCounts = sharedCounts ?? sequenceLengths.map { _ in 0 }
        precondition(
            sequenceLengths.count == labelledPositions.count && sequenceLengths.count == sharedCounts.count
                && sequenceLengths.indices.allSatisfy { sequence in
                    let (length, shared) = (sequenceLengths[sequence], sharedCounts[sequence])
                    return (0...length).contains(shared)
                        && labelledPositions[sequence].allSatisfy { (shared..<length).contains($0) }
                }, "StepRows: labelled positions of \(sequenceLengths.count) sequences")
        self.sequenceLengths = sequenceLengths
        self.labelledPositions = labelledPositions
        self.sharedCounts = sharedCounts
    }

    /// Sequences that end with an answer of so many tokens: the row before each of them is scored.
    ///
    /// - Precondition: every answer is shorter than its sequence.
    package init(sequenceLengths: [Int], answerLengths: [Int]) {
        self.init(
            sequenceLengths: sequenceLengths,
            labelledPositions: zip(sequenceLengths, answerLengths).map { length, answer in
                Array(length - 1 - answer..<length - 1)
            })
    }

    /// A batch and its labels, negative where nothing is scored, with what its sequences share (`SharedPrefixes`).
    package init(_ batch: PackedSequences, labels: [Int32]) {
        precondition(labels.count == batch.tokens.count, "StepRows: \(labels.count) labels")
        let ends = zip(batch.starts, batch.starts.dropFirst()).map { (Int($0), Int($1)) }
        self.init(
            sequenceLengths: ends.map { $1 - $0 },
            labelledPositions: ends.map { start, end in
                (start..<end).filter { labels[$0] >= 0 }.map { $0 - start }
            }, sharedCounts: SharedPrefixes(batch.scoring(labels))?.sharedCounts)
    }

    /// The rows of several batches together; what the sequences of one share stays so.
    package init(joining batches: [StepRows]) {
        self.init(
            sequenceLengths: batches.flatMap(\.sequenceLengths),
            labelledPositions: batches.flatMap(\.labelledPositions),
            sharedCounts: batches.flatMap(\.sharedCounts))
    }

    /// The same rows, each sequence computing all of its own.
    package var unshared: StepRows {
        StepRows(sequenceLengths: sequenceLengths, labelledPositions: labelledPositions)
    }

    /// Tokens of all sequences.
    package var tokenCount: Int { sequenceLengths.reduce(0, +) }
    /// Rows that are computed.
    package var rowCount: Int { tokenCount - sharedCounts.reduce(0, +) }
    package var labelledCount: Int { labelledPositions.reduce(0) { $0 + $1.count } }

    /// How many rows run sparse under a plan.
    package func sparseCount(under plan: SparsityPlan) -> Int {
        guard plan.allowsSharedPrefixes || sharedCounts.allSatisfy({ $0 == 0 }) else {
            return unshared.sparseCount(under: plan)
        }
        let dense = plan.denseLeadingTokens
        let beyond = zip(sequenceLengths, sharedCounts).reduce(0) { $0 + max(0, $1.0 - max(dense, $1.1)) }
        return beyond - labelledCount(from: dense) + sparseOutputCount(under: plan)
    }

    /// How many of the labelled rows do.
    package func sparseOutputCount(under plan: SparsityPlan) -> Int {
        let share = plan.sparseShareOfOutputs
        guard share > 0 else { return 0 }
        return Int((Double(labelledCount(from: plan.denseLeadingTokens)) * share).rounded())
    }

    private func labelledCount(from position: Int) -> Int {
        labelledPositions.reduce(0) { $0 + $1.count { $0 >= position } }
    }

    /// - Parameter window: how many keys a query sees, 0 for all.
    func attentionPairs(window: Int) -> AttentionPairs {
        func seen(_ position: Int) -> Int { window > 0 ? min(position + 1, window) : position + 1 }
        /// Of the first queries of a sequence.
        func ofFirst(_ length: Int) -> Double {
            let ramp = window > 0 ? min(length, window) : length
            return Double(ramp) * Double(ramp + 1) / 2 + Double(length - ramp) * Double(window)
        }
        var pairs = AttentionPairs()
        for (sequence, labelled) in labelledPositions.enumerated() {
            let (length, shared) = (sequenceLengths[sequence], sharedCounts[sequence])
            let ofLabelled = Double(labelled.reduce(0) { $0 + seen($1) })
            pairs.all += ofFirst(length) - ofFirst(shared)
            pairs.labelled += ofLabelled
        }
        return pairs
    }
}

/// Pairs of a query and a key that it sees.
struct AttentionPairs {
    /// Of all queries that are computed.
    var all = 0.0
    /// Of the labelled ones.
    var labelled = 0.0
}
