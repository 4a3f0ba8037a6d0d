// Low-rank maps in the place of linear layers.

import TensorEngine
import TestSupport
import Testing

@testable import ContextualSparsity

@Suite struct `A low-rank fit` {
    private let backend = CPUBackend()

    private func random(_ rowCount: Int, _ width: Int, seed: UInt64) -> Tensor {
        var random = SeededRandom(seed: seed)
        return random.tensor(rowCount, width, on: backend)
    }

    @Test func `spends its share, to half a block of ranks`() {
        for (input, output) in [(576, 960), (576, 576), (2048, 2560), (40, 50), (8, 3)] {
            for share in [0.1, 0.25, 0.5, 0.9] {
                let rank = LowRankFit.rank(input: input, output: output, leavingOut: share)
                let exact = (1 - share) * Double(input * output) / Double(input + output)
                if exact < 64 {
                    #expect(rank == max(1, Int(exact + 1e-9)))
                } else {
                    #expect(rank % 32 == 0 && abs(Double(rank) - exact) < 17)
                }
            }
        }
    }

    /// Rows in a space of three dimensions about a mean: a map of rank three loses nothing.
    @Test func `loses nothing of inputs with few dimensions`() throws {
        let (rows, width) = (64, 12)
        let x = backend.product(
            MatrixOperand(random(rows, 3, seed: 1)), MatrixOperand(random(width, 3, seed: 2)), type: .float32)
        let mean = random(1, width, seed: 3)
        let ones = backend.upload(
            [Float](repeating: 1, count: rows), rowCount: rows, width: 1, type: .float32)
        backend.multiply(
            [MatrixProduct(MatrixOperand(ones), MatrixOperand(mean, transposed: true))],
            into: MatrixOutput(x, accumulates: true))
        var moments = InputMoments(width: width, on: backend)
        moments.add(x.rows(0..<20))
        moments.add(x.rows(20..<rows))
        let weights = [random(10, width, seed: 4), random(5, width, seed: 5)].map { FrozenWeight($0) }
        let fits = LowRankFit.uses(
            weights: weights, rank: 3, moments: moments, on: backend)
        let tape = Tape(backend: backend, isRecording: false)
        let layers = weights.map { LinearLayer($0) }
        let exact = tape.linears(Variable(x), layers)
        let replaced = tape.linears(Variable(x), layers, parts: [RowPart(rows: nil, uses: fits)])
        for (one, other) in zip(exact, replaced) {
            expectClose(
                backend.download(other.value), backend.download(one.value), absolute: 2e-4, relative: 1e-3)
        }
    }

    @Test func `reads weights stored by input as well`() {
        let (rows, width) = (40, 6)
        let x = random(rows, width, seed: 1)
        var moments = InputMoments(width: width, on: backend)
        moments.add(x)
        let weight = FrozenWeight(random(width, 9, seed: 4), layout: .inputRows)
        let fits = LowRankFit.uses(weights: [weight], rank: width, moments: moments, on: backend)
        let tape = Tape(backend: backend, isRecording: false)
        let layers = [LinearLayer(weight)]
        let exact = tape.linears(Variable(x), layers)[0]
        let replaced = tape.linears(Variable(x), layers, parts: [RowPart(rows: nil, uses: fits)])[0]
        expectClose(
            backend.download(replaced.value), backend.download(exact.value), absolute: 2e-4, relative: 1e-3)
    }
}
