// The rows of a batch as far as their cost goes: how long sequences are, which rows are scored, which run sparse.

package import Models

/// The rows of one batch.
package struct StepRows: Equatable, Sendable {
    /// Tokens of each sequence.
    package let sequenceLengths: [Int]
    /// Of each sequence, the positions whose output is scored, ascending.
    package let labelledPositions: [[Int]]

    /// - Precondition: one list of positions for each sequence, each position within its sequence.
    package init(sequenceLengths: [Int], labelledPositions: [[Int]]) {
        precondition(
            sequenceLengths.count == labelledPositions.count
                && zip(sequenceLengths, labelledPositions).allSatisfy { length, positions in
                    positions.allSatisfy { (0..<length).contains($0) }
                }, "StepRows: labelled positions of \(sequenceLengths.count) sequences")
        self.sequenceLengths = sequenceLengths
        self.labelledPositions = labelledPositions
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

    /// A batch and its labels, negative where nothing is scored.
    package init(_ batch: PackedSequences, labels: [Int32]) {
        precondition(labels.count == batch.tokens.count, "StepRows: \(labels.count) labels")
        let ends = zip(batch.starts, batch.starts.dropFirst()).map { (Int($0), Int($1)) }
        self.init(
            sequenceLengths: ends.map { $1 - $0 },
            labelledPositions: ends.map { start, end in
                (start..<end).filter { labels[$0] >= 0 }.map { $0 - start }
            })
    }

    package var rowCount: Int { sequenceLengths.reduce(0, +) }
    package var labelledCount: Int { labelledPositions.reduce(0) { $0 + $1.count } }

    /// How many rows run sparse under a plan.
    package func sparseCount(under plan: SparsityPlan) -> Int {
        let dense = plan.denseLeadingTokens
        let beyond = sequenceLengths.reduce(0) { $0 + max(0, $1 - dense) }
        return beyond - labelledCount(from: dense) + sparseOutputCount(under: plan)
    }

    /// How many of the labelled rows do.
    package func sparseOutputCount(under plan: SparsityPlan) -> Int {
        let share = plan.sparseShareOfOutputs
        return Int((Double(labelledCount(from: plan.denseLeadingTokens)) * share).rounded())
    }

    private func labelledCount(from position: Int) -> Int {
        labelledPositions.reduce(0) { $0 + $1.count { $0 >= position } }
    }

    /// Pairs of a query and a key that it sees, over all rows or the labelled ones.
    ///
    /// - Parameter window: how many keys a query sees, 0 for all.
    func attentionPairs(window: Int, labelledOnly: Bool) -> Double {
        let seen = { (position: Int) in window > 0 ? min(position + 1, window) : position + 1 }
        if labelledOnly {
            return labelledPositions.reduce(0) { sum, positions in
                sum + Double(positions.reduce(0) { $0 + seen($1) })
            }
        }
        return sequenceLengths.reduce(0) { sum, length in
            let ramp = window > 0 ? min(length, window) : length
            return sum + Double(ramp) * Double(ramp + 1) / 2 + Double(length - ramp) * Double(window)
        }
    }
}
