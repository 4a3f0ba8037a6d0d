// What one micro-step of training computes on. Shape legend: T tokens of all sequences, S sequences.

/// Sequences laid end to end, without padding.
package struct Batch: Equatable, Sendable {
    /// Label of a position whose next token is not trained.
    package static let unlabelled: Int32 = -1

    /// [T] token ids.
    package private(set) var tokens: [Int32] = []
    /// [S + 1] where each sequence begins, and T at the end.
    package private(set) var sequenceBoundaries: [Int32] = [0]
    /// [T] the token to be predicted at each position, the next one of the same sequence when it is trained, else -1.
    package private(set) var labels: [Int32] = []
    /// [S] which examples of the data set these are.
    package let exampleIndices: [Int]
    /// Which pass over the data this belongs to, from 0.
    package let epoch: Int

    /// Lays these examples end to end.
    package init(_ examples: [TokenizedExample], indices: [Int], epoch: Int = 0) {
        exampleIndices = indices
        self.epoch = epoch
        for index in indices {
            let example = examples[index]
            // The last trained token is predicted from those before it; what computing on it and beyond gives, nobody reads.
            let count = example.isLabelled.lastIndex(of: true) ?? example.count
            tokens += example.tokens.prefix(count)
            for next in 1..<count + 1 {
                let isTrained = next < example.count && example.isLabelled[next]
                labels.append(isTrained ? example.tokens[next] : Self.unlabelled)
            }
            sequenceBoundaries.append(Int32(tokens.count))
        }
    }

    package var sequenceCount: Int { exampleIndices.count }
    package var labelledCount: Int { labels.count { $0 != Self.unlabelled } }
}
