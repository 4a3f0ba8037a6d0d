// The calibrated stand-in for a feed-forward network's dropped channels.

import TensorEngine
import TestSupport
import Testing

@testable import ContextualSparsity

@Suite struct `A fitted feed-forward network` {
    private let backend = CPUBackend()
    private let rows = 512
    private let width = 8
    private let inner = 24

    private func random(_ rowCount: Int, _ width: Int, seed: UInt64) -> Tensor {
        var random = SeededRandom(seed: seed)
        return random.tensor(rowCount, width, on: backend)
    }

    /// Relative error of the fit's output, and of leaving out the same channels.
    private func errors(inputs: Tensor, channels: Tensor, settings: FitSettings) throws -> (
        fit: Double, zero: Double
    ) {
        let down = FrozenWeight(random(inner, width, seed: 9), layout: .inputRows)
        let fit = try #require(
            FeedForwardFit(
                inputs: inputs, channels: channels, down: down, keptCount: inner / 2, settings: settings,
                on: backend))
        let selection = try #require(fit.use.selection)
        let compensation = try #require(fit.use.compensation)
        let refitted = try #require(fit.use.refittedRows)
        let kept = MatrixOperand(channels, columns: selection.kept)
        let estimate = backend.product(
            MatrixOperand(inputs), MatrixOperand(compensation.down), type: .float32)
        let output = backend.makeTensor(rowCount: rows, width: width, type: .float32)
        backend.multiply(
            [
                MatrixProduct(kept, MatrixOperand(refitted, transposed: true)),
                MatrixProduct(MatrixOperand(estimate), MatrixOperand(compensation.up, transposed: true)),
            ], into: MatrixOutput(output, bias: compensation.bias))
        let dense = backend.product(
            MatrixOperand(channels), MatrixOperand(down.tensor, transposed: true), type: .float32)
        let zero = backend.product(
            kept, MatrixOperand(down.tensor, transposed: true, rows: selection.kept), type: .float32)
        #expect(selection.kept.count == inner / 2 && selection.dropped.count == inner / 2)
        let expected = backend.download(dense)
        return (
            relativeError(backend.download(output), expected),
            relativeError(backend.download(zero), expected)
        )
    }

    /// Every channel is linear in x, and the map has x's full rank: nothing is lost but what the ridges shrink.
    @Test func `loses nothing that the input tells linearly`() throws {
        let inputs = random(rows, width, seed: 1)
        let channels = backend.product(
            MatrixOperand(inputs), MatrixOperand(random(inner, width, seed: 2)), type: .float32)
        let errors = try errors(
            inputs: inputs, channels: channels,
            settings: FitSettings(rank: width, channelRidge: 1e-3, inputRidge: 1e-4))
        #expect(errors.fit < 0.02)
        #expect(errors.zero > 0.2)
    }

    @Test func `makes up for much of what gated channels contribute`() throws {
        let inputs = random(rows, width, seed: 3)
        let channels = backend.makeTensor(rowCount: rows, width: inner, type: .float32)
        func projection(_ seed: UInt64) -> Tensor {
            backend.product(
                MatrixOperand(inputs), MatrixOperand(random(inner, width, seed: seed)), type: .float32)
        }
        backend.gate(.silu, gate: projection(4), up: projection(5), rows: nil, into: channels)
        let errors = try errors(inputs: inputs, channels: channels, settings: FitSettings(rank: 4))
        #expect(errors.fit < 0.85 * errors.zero)
    }

    @Test func `is the same every time`() throws {
        let (inputs, channels) = (random(rows, width, seed: 6), random(rows, inner, seed: 7))
        let down = FrozenWeight(random(inner, width, seed: 8), layout: .inputRows)
        let fits = try (0..<2).map { _ in
            try #require(
                FeedForwardFit(
                    inputs: inputs, channels: channels, down: down, keptCount: 5,
                    settings: FitSettings(rank: 3),
                    on: backend)
            ).use
        }
        let rows = fits.compactMap(\.refittedRows).map(backend.download)
        #expect(rows.count == 2 && rows[0] == rows[1])
    }
}
