// Batches: layout, labels, order, and resuming.

import FileSupport
import Foundation
import Testing

@testable import Training

@Suite("Batches")
struct BatchStreamTests {
    /// Examples with distinct tokens and lengths from 2 to 40.
    private static func examples(_ count: Int) -> [TokenizedExample] {
        var random = SeededGenerator(seed: 11)
        return (0..<count).map { index in
            let length = 2 + random.below(39)
            return TokenizedExample(
                tokens: (0..<length).map { Int32(index * 100 + $0) },
                isLabelled: (0..<length).map { $0 % 3 != 1 })
        }
    }

    @Test(
        "Sequences stand end to end up to what the last trained token follows; labels are the next token of a sequence"
    )
    func layout() {
        let examples = [
            TokenizedExample(tokens: [1, 2, 3, 7, 8], isLabelled: [true, false, true, false, false]),
            TokenizedExample(tokens: [4, 5], isLabelled: [true, true]),
            TokenizedExample(tokens: [6], isLabelled: [true]),
        ]
        let batch = Batch(examples, indices: [1, 0, 2])
        #expect(batch.tokens == [4, 1, 2, 6])
        #expect(batch.sequenceBoundaries == [0, 1, 3, 4])
        // 5 follows 4 and 3 follows 2, which is not trained itself; nobody needs what follows 5, 3 and 6.
        #expect(batch.labels == [5, -1, 3, -1])
        #expect(batch.labelledCount == 2 && batch.sequenceCount == 3)
        #expect(batch.labelledCount == examples.reduce(0) { $0 + $1.labelledCount })
    }

    @Test("An epoch holds every example once, within the bounds")
    func epochs() {
        let examples = Self.examples(101)
        for options in [BatchOptions(sequences: 8, seed: 1), BatchOptions(sequences: 8, tokens: 60, seed: 1)]
        {
            var stream = BatchStream(examples, options: options)
            for epoch in 0..<3 {
                let batches = (0..<stream.batchCount(epoch: epoch)).map { _ in stream.next() }
                #expect(batches.flatMap(\.exampleIndices).sorted() == Array(0..<101))
                #expect(batches.allSatisfy { $0.epoch == epoch && $0.sequenceCount <= 8 })
                if let bound = options.tokens {
                    #expect(batches.allSatisfy { $0.tokens.count <= bound || $0.sequenceCount == 1 })
                }
            }
        }
    }

    @Test("The order depends on seed and epoch, and on nothing else")
    func order() {
        let examples = Self.examples(64)
        func order(_ seed: UInt64, epochs: Int = 1) -> [[Int]] {
            var stream = BatchStream(examples, options: BatchOptions(sequences: 4, seed: seed))
            return (0..<16 * epochs).map { _ in stream.next().exampleIndices }
        }
        #expect(order(1) == order(1))
        #expect(order(1) != order(2))
        let twice = order(1, epochs: 2)
        #expect(Array(twice[..<16]) != Array(twice[16...]))
    }

    @Test("Batches hold sequences of like length")
    func buckets() {
        let examples = Self.examples(512)
        func spread(_ options: BatchOptions) -> Int {
            var stream = BatchStream(examples, options: options)
            return (0..<stream.batchCount(epoch: 0)).reduce(0) { total, _ in
                let lengths = stream.next().exampleIndices.map { examples[$0].count }
                return total + (lengths.max() ?? 0) - (lengths.min() ?? 0)
            }
        }
        let shuffled = spread(BatchOptions(sequences: 8, seed: 5))
        let unsorted = spread(BatchOptions(sequences: 8, seed: 5, shuffles: false))
        #expect(shuffled * 5 < unsorted)
    }

    @Test("Without shuffling the examples come in the order of the file")
    func fileOrder() {
        var stream = BatchStream(Self.examples(5), options: BatchOptions(sequences: 2, shuffles: false))
        #expect((0..<4).map { _ in stream.next().exampleIndices } == [[0, 1], [2, 3], [4], [0, 1]])
    }

    @Test("A stream restored from a stored cursor gives the batches that the other would have given")
    func resume() throws {
        let examples = Self.examples(50)
        let options = BatchOptions(sequences: 4, tokens: 90, seed: 9)
        var reference = BatchStream(examples, options: options)
        for taken in 0..<40 {
            let stored = try JSONEncoder().encode(reference.cursor)
            let cursor = try JSONDecoder().decode(BatchStream.Cursor.self, from: stored)
            var resumed = try BatchStream(examples, options: options, resumingAt: cursor, location: "run")
            var expected = reference
            for _ in 0..<20 { #expect(resumed.next() == expected.next(), "after \(taken) batches") }
            #expect(resumed.cursor == expected.cursor)
            _ = reference.next()
        }
    }

    @Test("A cursor of other data, options or seed is refused")
    func foreignCursor() throws {
        let examples = Self.examples(50)
        let options = BatchOptions(sequences: 4, seed: 9)
        let cursor = BatchStream(examples, options: options).cursor
        func refusal(
            _ examples: [TokenizedExample], _ options: BatchOptions, _ cursor: BatchStream.Cursor
        ) -> String {
            problem {
                _ = try BatchStream(
                    examples, options: options, resumingAt: cursor, location: "run/state.json")
            }
        }
        #expect(refusal(examples, options, cursor) == "no error")
        #expect(
            refusal(Self.examples(49), options, cursor).contains(
                "run/state.json: the run was started with other"))
        #expect(refusal(examples, BatchOptions(sequences: 5, seed: 9), cursor).contains("other data"))
        #expect(refusal(examples, BatchOptions(sequences: 4, seed: 8), cursor).contains("other data"))
        var damaged = cursor
        damaged.position = 1000
        #expect(refusal(examples, options, damaged).contains("damaged"))
        damaged.position = -1
        #expect(refusal(examples, options, damaged).contains("damaged"))
    }

    @Test("The generator gives the published numbers")
    func generator() {
        // The first outputs of SplitMix64 for the seed 1234567, from its reference implementation.
        var random = SeededGenerator(seed: 1_234_567)
        #expect(random.next() == 6_457_827_717_110_365_317)
        #expect(random.next() == 3_203_168_211_198_807_973)
    }
}
