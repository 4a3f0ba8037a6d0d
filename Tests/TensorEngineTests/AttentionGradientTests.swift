// Gradient checks of attention in the forms that training uses, on every instruction set.

import TensorEngine
import TestSupport
import Testing

/// Sequences of these lengths with all their keys; queries at all positions, or at the given ones of each sequence.
func attentionShape(
    lengths: [Int], queries: [[Int32]]? = nil, headCount: Int, keyValueHeadCount: Int, headWidth: Int,
    softcap: Float = 0, window: Int = 0, on backend: any Backend
) -> AttentionShape {
    let positions = queries ?? lengths.map { (0..<Int32($0)).map { $0 } }
    func starts(_ counts: [Int]) -> Tensor {
        backend.upload(counts.reduce(into: [0]) { $0.append(($0.last ?? 0) + Int32($1)) })
    }
    return AttentionShape(
        sequenceCount: lengths.count, queryStarts: starts(positions.map(\.count)), keyStarts: starts(lengths),
        queryPositions: backend.upload(positions.flatMap { $0 }), headCount: headCount,
        keyValueHeadCount: keyValueHeadCount, headWidth: headWidth, scale: 0.6, softcap: softcap,
        window: window)
}

@Suite struct `Gradients of attention agree with differences of the forward pass` {
    private let backend = CPUBackend()

    private func check(_ shape: AttentionShape, seed: UInt64 = 1) {
        let keyValueWidth = shape.keyValueHeadCount * shape.headWidth
        let keyRows = Int(backend.downloadIndices(shape.keyStarts)[shape.sequenceCount])
        let leaves = [
            Leaf("q", shape.queryPositions.count, shape.headCount * shape.headWidth),
            Leaf("k", keyRows, keyValueWidth), Leaf("v", keyRows, keyValueWidth),
        ]
        expectGradients(of: leaves, seed: seed) { tape, leaves in
            weightedSum(tape.attention(leaves[0], leaves[1], leaves[2], shape: shape), on: tape)
        }
    }

    @Test(arguments: [(2, 2), (4, 2), (3, 1)])
    func `grouped heads over several sequences`(headCount: Int, keyValueHeadCount: Int) {
        check(
            attentionShape(
                lengths: [3, 1, 6], headCount: headCount, keyValueHeadCount: keyValueHeadCount, headWidth: 8,
                on: backend))
    }

    @Test(arguments: [0, 3], [[0, 2, 7, 11, 12, 18], [5]])
    func `of some queries are what they are when all are asked, the others having none`(
        window: Int, learning: [Int32]
    ) throws {
        let shape = attentionShape(
            lengths: [3, 1, 9, 6], headCount: 4, keyValueHeadCount: 2, headWidth: 8, window: window,
            on: backend)
        func gradients(asksAll: Bool) throws -> [[Float]] {
            let tape = Tape(backend: backend)
            var random = SeededRandom(seed: 8)
            let inputs = [32, 16, 16].map {
                Variable(random.tensor(19, $0, on: backend), needsGradient: true)
            }
            let chosen = GradientRows(among: nil)
            let output = tape.choosingGradientRows(
                tape.attention(
                    inputs[0], inputs[1], inputs[2], shape: shape,
                    gradients: asksAll ? nil : QueryGradients(chosen)),
                share: Double(learning.count) / 19, into: [chosen])
            _ = weightedSum(tape.selectRows(output, backend.upload(learning)), on: tape)
            tape.backward()
            return try inputs.map { backend.download(try #require($0.gradient)) }
        }
        try forEachInstructionSet { set in
            for (some, all) in zip(try gradients(asksAll: false), try gradients(asksAll: true)) {
                expectClose(some, all, absolute: 1e-6, relative: 1e-5, "\(set)")
            }
        }
    }

    @Test func `a window`() {
        check(
            attentionShape(
                lengths: [7, 2], headCount: 2, keyValueHeadCount: 1, headWidth: 8, window: 3, on: backend))
    }

    @Test func `capped scores`() {
        check(
            attentionShape(
                lengths: [5, 4], headCount: 2, keyValueHeadCount: 1, headWidth: 8, softcap: 1.5, on: backend))
    }

    @Test func `some of the queries, one sequence without any`() {
        check(
            attentionShape(
                lengths: [5, 3, 4], queries: [[1, 4], [], [0, 2, 3]], headCount: 4, keyValueHeadCount: 2,
                headWidth: 8, on: backend))
    }

    @Test func `a head width that is no multiple of a vector`() {
        check(
            attentionShape(lengths: [4, 3], headCount: 2, keyValueHeadCount: 2, headWidth: 6, on: backend))
    }

    @Test func `sequences longer than a tile`() {
        check(
            attentionShape(
                lengths: [150, 70], headCount: 2, keyValueHeadCount: 1, headWidth: 8, window: 100, on: backend
            ))
    }
}
