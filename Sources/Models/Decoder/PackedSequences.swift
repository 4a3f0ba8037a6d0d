// Sequences laid end to end, without padding.

import FileSupport

/// A batch of token sequences, concatenated. Attention and positions know where each begins.
package struct PackedSequences: Equatable, Sendable {
    /// Token numbers of all sequences [T].
    package let tokens: [Int32]
    /// Sequence s is `tokens[starts[s] ..< starts[s + 1]]`; ascending, from 0 to T.
    package let starts: [Int32]
    /// Rows whose output is needed, ascending; nil for all.
    package var outputRows: [Int32]?

    /// - Precondition: `starts` ascends from 0 to the number of tokens, `outputRows` ascends within the tokens.
    package init(tokens: [Int32], starts: [Int32], outputRows: [Int32]? = nil) {
        precondition(
            starts.first == 0 && starts.last.map { Int($0) } == tokens.count
                && zip(starts, starts.dropFirst()).allSatisfy { $0 <= $1 },
            "PackedSequences: starts do not cover the \(tokens.count) tokens")
        self.tokens = tokens
        self.starts = starts
        self.outputRows = outputRows
    }

    package init(_ sequences: [[Int32]], outputRows: [Int32]? = nil) {
        var starts: [Int32] = [0]
        for sequence in sequences { starts.append(starts[starts.count - 1] + Int32(sequence.count)) }
        self.init(tokens: Array(sequences.joined()), starts: starts, outputRows: outputRows)
    }

    /// The same with those rows as output rows that have a label, negative labels being none.
    package func scoring(_ labels: [Int32]) -> PackedSequences {
        var result = self
        result.outputRows = labels.indices.filter { labels[$0] >= 0 }.map { Int32($0) }
        return result
    }

    /// The same sequences, each up to its last row without output that an output row follows: attention being causal, the
    /// values of all rows that outputs read, but outputs themselves, follow from these. Sequences without such rows are
    /// left out.
    ///
    /// - Precondition: `outputRows` is not nil.
    package var upToLastContext: PackedSequences {
        guard let outputRows else { preconditionFailure("upToLastContext: every row has output") }
        let isOutput = Set(outputRows)
        var kept: [Int32] = []
        var starts: [Int32] = [0]
        for (start, end) in zip(self.starts, self.starts.dropFirst()) {
            guard let output = (start..<end).last(where: isOutput.contains),
                let last = (start..<output).last(where: { !isOutput.contains($0) })
            else { continue }
            kept += start...last
            starts.append(Int32(kept.count))
        }
        return PackedSequences(
            tokens: kept.map { tokens[Int($0)] }, starts: starts,
            outputRows: kept.indices.filter { isOutput.contains(kept[$0]) }.map { Int32($0) })
    }

    package var sequenceCount: Int { starts.count - 1 }

    /// Tokens of each sequence.
    var lengths: [Int] { zip(starts, starts.dropFirst()).map { Int($1 - $0) } }

    /// Place of every row within its sequence [T].
    package var positions: [Int32] {
        zip(starts, starts.dropFirst()).flatMap { start, end in 0..<end - start }
    }

    /// Kernels look tokens up without a check.
    func checkTokens(vocabularySize: Int) throws(InputError) {
        guard let row = tokens.firstIndex(where: { $0 < 0 || Int($0) >= vocabularySize }) else { return }
        throw InputError(
            "token \(row) of the batch", expected: "a token number from 0 to \(vocabularySize - 1)",
            found: "\(tokens[row])", advice: "The tokenizer belongs to another model.")
    }
}
