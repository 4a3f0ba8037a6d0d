// Sequences laid end to end.

import Models
import Testing

@Suite struct `Packed sequences` {
    @Test func `up to the last row without output are what outputs read of them`() {
        // An answer at the end; one in the middle, one later, and a row that nobody reads; an answer alone; none.
        let batch = PackedSequences(
            [[1, 2, 3, 4], [5, 6, 7, 8, 9], [10, 11], [12]], outputRows: [2, 3, 5, 7, 9, 10])
        let context = batch.upToLastContext
        #expect(context.tokens == [1, 2, 5, 6, 7])
        #expect(context.starts == [0, 2, 5])
        #expect(context.outputRows == [3])
    }

    @Test func `of nothing but answers are none`() {
        let context = PackedSequences([[1, 2]], outputRows: [0, 1]).upToLastContext
        #expect(context.tokens.isEmpty && context.sequenceCount == 0)
    }
}
