// Rows that sequences have in common: which they are, and that computing them once changes nothing.

import Adapters
import TensorEngine
import TestSupport
import Testing

@testable import Models

@Suite("Shared prefixes")
struct SharedPrefixTests {
    private func shared(
        _ sequences: [[Int32]], outputRows: [Int32]?, kinds: [Int32]? = nil
    ) -> SharedPrefixes? {
        SharedPrefixes(PackedSequences(sequences, outputRows: outputRows), kinds: kinds)
    }

    @Test("are as long as tokens agree, whichever earlier sequence they agree with")
    func rows() throws {
        let sequences: [[Int32]] = [[1, 2, 3, 4], [1, 2, 5, 6], [9, 2, 3], [1, 2, 5, 7, 8]]
        let result = try #require(shared(sequences, outputRows: [3, 7, 10, 15]))
        #expect(result.sharedCounts == [0, 2, 0, 3])
        #expect(result.computedRows == [0, 1, 2, 3, 6, 7, 8, 9, 10, 14, 15])
        #expect(result.sources == [0, 1, 2, 3, 0, 1, 4, 5, 6, 7, 8, 0, 1, 4, 9, 10])
    }

    @Test("end before the first output row of either sequence")
    func outputs() throws {
        let twice: [[Int32]] = [[1, 2, 3, 4], [1, 2, 3, 4]]
        #expect(try #require(shared(twice, outputRows: [3, 7])).sharedCounts == [0, 3])
        #expect(try #require(shared(twice, outputRows: [1, 7])).sharedCounts == [0, 1])
        #expect(try #require(shared(twice, outputRows: [3, 5])).sharedCounts == [0, 1])
        // A sequence without output rows is nothing but what others share.
        #expect(try #require(shared(twice, outputRows: [3])).sharedCounts == [0, 3])
        #expect(try #require(shared(twice, outputRows: [7])).sharedCounts == [0, 3])
        #expect(shared(twice, outputRows: [0, 7]) == nil)
        #expect(shared(twice, outputRows: nil) == nil)
    }

    @Test("are none of one sequence, of empty ones, or of sequences of different kinds")
    func nothing() throws {
        #expect(shared([[1, 1, 1]], outputRows: [2]) == nil)
        #expect(shared([[], [], [1]], outputRows: [0]) == nil)
        let alike: [[Int32]] = [[1, 2], [1, 2], [1, 2]]
        let ofKind = try #require(shared(alike, outputRows: [1, 3, 5], kinds: [0, 4, 0]))
        #expect(ofKind.sharedCounts == [0, 0, 1])
    }

    /// Loss and gradients of one pass.
    private struct Outcome: Equatable {
        var loss: Double
        var gradients: [[Float]]

        func expectClose(to other: Outcome, _ comment: Comment) {
            #expect(abs(loss - other.loss) < 1e-6 * abs(other.loss), comment)
            for (left, right) in zip(gradients, other.gradients) {
                #expect(relativeError(left, right) < 2e-5, comment)
            }
        }
    }

    private func step(
        _ model: CausalLM, _ adapters: AdapterSet, _ batch: PackedSequences, _ labels: [Int32],
        sharing: Bool, checkpointing: Bool = false
    ) throws -> Outcome {
        for parameter in adapters.parameters { parameter.clearGradient() }
        let tape = Tape(backend: model.backend)
        let loss = try model.loss(
            batch, labels: labels, gradientScale: 0.1, on: tape, checkpointing: checkpointing,
            sharesPrefixes: sharing)
        tape.backward()
        return Outcome(
            loss: loss.sum,
            gradients: adapters.parameters.map { $0.gradient.map { model.backend.download($0) } ?? [] })
    }

    @Test("give every family's loss and gradients", arguments: FamilyGoldenTests.folders)
    func families(name: String) throws {
        let run = try FamilyGoldenTests.Run(name)
        let adapters = try run.loadAdapter()
        // One sequence is a beginning of the other; a third parts from both half-way.
        let tokens = run.batch.sequences[0]
        let half = tokens.count / 2
        let sequences = [
            tokens, Array(tokens.dropLast(2)), Array(tokens.prefix(half)) + run.batch.sequences[1],
        ]
        let labels = sequences.flatMap { sequence in
            sequence.indices.map { $0 > half + 1 && $0 + 1 < sequence.count ? sequence[$0 + 1] : -100 }
        }
        let batch = PackedSequences(sequences)
        let apart = try step(run.model, adapters, batch, labels, sharing: false)
        let together = try step(run.model, adapters, batch, labels, sharing: true)
        together.expectClose(to: apart, "\(name)")
        #expect(apart.gradients.contains { $0.contains { $0 != 0 } })
        #expect(
            try step(run.model, adapters, batch, labels, sharing: true, checkpointing: true) == together)
    }

    @Test("give the loss and gradients of batches made at random")
    func randomBatches() throws {
        let run = try FamilyGoldenTests.Run("llama")
        let adapters = try run.loadAdapter()
        var random = TestSupport.SeededRandom(seed: 3)
        var sharedRows = 0
        for round in 0..<25 {
            // Three words, so that beginnings agree often.
            let sequences = (0..<1 + Int(random.next() % 6)).map { _ in
                (0..<1 + Int(random.next() % 9)).map { _ in Int32(random.next() % 3) }
            }
            let labels = sequences.flatMap { $0.map { _ in Int32(random.next() % 8) * 7 - 42 } }
            guard labels.contains(where: { $0 >= 0 }) else { continue }
            let batch = PackedSequences(sequences)
            sharedRows += SharedPrefixes(batch.scoring(labels))?.sharedCounts.reduce(0, +) ?? 0
            let apart = try step(run.model, adapters, batch, labels, sharing: false)
            try step(run.model, adapters, batch, labels, sharing: true)
                .expectClose(to: apart, "round \(round)")
        }
        #expect(sharedRows > 20)
    }
}
