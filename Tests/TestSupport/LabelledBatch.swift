// The goldens' sequences with labels as one batch.

package import FileSupport

/// Tokens of several sequences, and for every row the token that must follow it.
package struct LabelledBatch {
    package let sequences: [[Int32]]
    package let labels: [Int32]

    /// Golden labels are unshifted: `labels.i`[t] is what position t - 1 must predict.
    package init(_ golden: GoldenTensors, count: Int) throws(InputError) {
        var sequences: [[Int32]] = []
        var labels: [Int32] = []
        for index in 0..<count {
            sequences.append(try golden.integers("tokens.\(index)"))
            labels += try golden.integers("labels.\(index)").dropFirst() + [-100]
        }
        self.sequences = sequences
        self.labels = labels
    }
}
