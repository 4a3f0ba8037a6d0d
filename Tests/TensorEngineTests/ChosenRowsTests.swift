// Layers that learn from rows chosen in the backward pass: as if they went through all rows, the others having no gradient.

import TensorEngine
import TestSupport
import Testing

extension `Layers with selected channels` {
    /// Gradients of x, A and B where only some rows of the first result have a gradient; with `reads` the layers go through
    /// those alone, being the ones with the largest, without through all.
    ///
    /// - Parameter layers: told what gradients output rows and context rows have.
    private func gradients(
        reads: Bool, dropoutRate: Float,
        _ layers: (Tape, Variable, LowRankPair, _ gradients: (RowGradient, RowGradient)) -> [Variable]
    ) throws -> [[Float]] {
        let tape = Tape(backend: backend)
        let input = Variable(random(9, 6, seed: 5), needsGradient: true)
        let pair = LowRankPair(
            a: Parameter(name: "A", value: random(3, 6, seed: 3)),
            b: Parameter(name: "B", value: random(6, 3, seed: 4)), scale: 2,
            dropoutRate: dropoutRate)
        let output = (0..<9).filter { !context.contains($0) }
        let chosen = [output, context].map { GradientRows(among: backend.upload($0)) }
        let results = layers(
            tape, input, pair, reads ? (.chosen(chosen[0]), .chosen(chosen[1])) : (.all, .all))
        // What later rows read of the other results reaches every row.
        for result in results.dropFirst() { _ = weightedSum(result, on: tape, seed: 7) }
        let learning: [Int32] = [1, 2, 3, 5, 6, 8]
        let result = tape.choosingGradientRows(
            results[0], share: Double(learning.count) / 9, into: chosen)
        _ = weightedSum(tape.selectRows(result, backend.upload(learning)), on: tape)
        tape.backward()
        return [input.gradient, pair.a.gradient, pair.b.gradient].compactMap { $0 }
            .map(backend.download)
    }

    private var context: [Int32] { [0, 3, 4, 7, 8] }

    /// Both parts with the gradients of the operation's first layer, or only one.
    private func parts(_ uses: [ChannelUse], _ gradients: (RowGradient, RowGradient)) -> [RowPart] {
        zip(parts(context: context, of: 9, uses), [gradients.0, gradients.1]).map { part, gradient in
            var uses = part.uses
            uses[0].gradient = gradient
            return RowPart(rows: part.rows, uses: uses)
        }
    }

    @Test(arguments: [FrozenWeight.Layout.outputRows, .inputRows], [Float(0), 0.4])
    func `do less where rows are chosen by their gradients, with the same result`(
        layout: FrozenWeight.Layout, dropoutRate: Float
    ) throws {
        let weights = (0..<2).map { FrozenWeight(random(6, 6, seed: 2 + $0), layout: layout) }
        let selection = selection([1, 2, 5], of: 6)
        let shared = random(2, 6, seed: 14)
        func map(_ seed: UInt64) -> Compensation { Compensation(down: shared, up: random(2, 6, seed: seed)) }
        let uses: [(ChannelUse, ChannelUse)] = [
            (.all, .all), (ChannelUse(selection, compensation: map(15)), ChannelUse(selection)),
            (.replaced(by: map(15)), .replaced(by: map(16))),
        ]
        for (first, second) in uses {
            func results(reads: Bool) throws -> [[Float]] {
                try gradients(reads: reads, dropoutRate: dropoutRate) { tape, x, pair, gradients in
                    tape.linears(
                        x,
                        [
                            LinearLayer(weights[0], adapter: pair, dropoutSeed: 3),
                            LinearLayer(weights[1], dropoutSeed: 4),
                        ], parts: parts([first, second], gradients))
                }
            }
            for (chosen, all) in zip(try results(reads: true), try results(reads: false)) {
                expectClose(chosen, all, absolute: 1e-6, relative: 1e-5)
            }
        }
    }

    @Test(arguments: SparseKind.allCases, [Float(0), 0.4])
    func `a network does less where rows are chosen by their gradients, with the same result`(
        kind: SparseKind, dropoutRate: Float
    ) throws {
        let selection = selection([0, 3, 4, 8], of: 9)
        let weights = (0..<3).map { random(9, 6, seed: 20 + $0) }
        let pairs = [(9, 6), (9, 6), (6, 9)].enumerated().map { number, shape in
            let seed = UInt64(40 + 2 * number)
            return LowRankPair(
                a: Parameter(name: "A", value: random(2, shape.1, seed: seed)),
                b: Parameter(name: "B", value: random(shape.0, 2, seed: seed + 1)), scale: 0.7,
                dropoutRate: dropoutRate)
        }
        func results(reads: Bool) throws -> [[Float]] {
            for pair in pairs {
                pair.a.clearGradient()
                pair.b.clearGradient()
            }
            return try gradients(reads: reads, dropoutRate: dropoutRate) { tape, x, _, gradients in
                let use =
                    switch kind {
                    case .dense: ChannelUse.all
                    case .compensated:
                        ChannelUse(
                            selection,
                            compensation: Compensation(
                                down: random(2, 6, seed: 14), up: random(2, 6, seed: 15)))
                    case .adaptersAtFullWidth: ChannelUse(selection, adaptersSeeAllChannels: true)
                    }
                return [
                    tape.feedForward(
                        x,
                        gate: LinearLayer(FrozenWeight(weights[0]), adapter: pairs[0], dropoutSeed: 1),
                        up: LinearLayer(FrozenWeight(weights[1]), adapter: pairs[1], dropoutSeed: 2),
                        down: LinearLayer(
                            FrozenWeight(weights[2], layout: .inputRows), adapter: pairs[2], dropoutSeed: 3),
                        activation: .silu, parts: parts([use], gradients))
                ]
            } + pairs.flatMap { [$0.a, $0.b] }.map { try backend.download(#require($0.gradient)) }
        }
        for (chosen, all) in zip(try results(reads: true), try results(reads: false)) {
            expectClose(chosen, all, absolute: 1e-6, relative: 1e-5)
        }
    }
}
