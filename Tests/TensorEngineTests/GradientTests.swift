// Gradient checks of every operation but attention, on every instruction set.

import Foundation
import TensorEngine
import TestSupport
import Testing

@Suite struct `Gradients agree with differences of the forward pass` {
    private let backend = CPUBackend()

    private func random(_ rowCount: Int, _ width: Int, seed: UInt64) -> Tensor {
        var random = SeededRandom(seed: seed)
        return random.tensor(rowCount, width, on: backend)
    }

    @Test(arguments: [FrozenWeight.Layout.outputRows, .inputRows], [false, true])
    func `a frozen linear layer`(layout: FrozenWeight.Layout, hasBias: Bool) {
        let weight = FrozenWeight(
            layout == .outputRows ? random(7, 5, seed: 2) : random(5, 7, seed: 2), layout: layout)
        let bias = hasBias ? random(1, 7, seed: 3) : nil
        expectGradients(of: [Leaf("x", 4, 5)]) { tape, leaves in
            weightedSum(tape.linear(leaves[0], weight, bias: bias), on: tape)
        }
    }

    @Test(arguments: [FrozenWeight.Layout.outputRows, .inputRows], [Float(0), 0.4])
    func `a linear layer with an adapter`(layout: FrozenWeight.Layout, dropoutRate: Float) {
        let weight = FrozenWeight(
            layout == .outputRows ? random(7, 6, seed: 2) : random(6, 7, seed: 2), layout: layout)
        let bias = random(1, 7, seed: 3)
        expectGradients(of: [Leaf("x", 9, 6), Leaf("A", 3, 6), Leaf("B", 7, 3)]) { tape, leaves in
            let adapter = LowRankPair(a: leaves[1], b: leaves[2], scale: 1.5, dropoutRate: dropoutRate)
            // The forward pass of a tape that does not record has no dropout, so the differences are taken with it
            // recording, and what it recorded is dropped.
            let recording = Tape(backend: tape.backend)
            let used = tape.isRecording ? tape : recording
            return weightedSum(
                used.linear(leaves[0], weight, bias: bias, adapter: adapter, dropoutSeed: 99), on: used)
        }
    }

    @Test func `an adapter on an input that needs no gradient`() {
        let weight = FrozenWeight(random(7, 6, seed: 2))
        let x = Variable(random(9, 6, seed: 4))
        expectGradients(of: [Leaf("A", 3, 6), Leaf("B", 7, 3)]) { tape, leaves in
            let adapter = LowRankPair(a: leaves[0], b: leaves[1], scale: 0.5)
            return weightedSum(tape.linear(x, weight, adapter: adapter), on: tape)
        }
        #expect(x.gradient == nil)
    }

    @Test(arguments: [Float(0), 0.4])
    func `one input that feeds several linear layers`(dropoutRate: Float) {
        let weights = (0..<3).map { FrozenWeight(random(5, 6, seed: 10 + $0)) }
        let leaves = [Leaf("x", 4, 6), Leaf("A", 2, 6), Leaf("B", 5, 2)]
        expectGradients(of: leaves) { tape, leaves in
            let used = tape.isRecording ? tape : Tape(backend: tape.backend)
            let adapter = LowRankPair(a: leaves[1], b: leaves[2], scale: 2, dropoutRate: dropoutRate)
            let first = used.linear(leaves[0], weights[0], adapter: adapter, dropoutSeed: 5)
            let second = used.linear(leaves[0], weights[1])
            let third = used.linear(leaves[0], weights[2], adapter: adapter, dropoutSeed: 6)
            return weightedSum(first, on: used, seed: 1) + weightedSum(second, on: used, seed: 2)
                + weightedSum(third, on: used, seed: 3)
        }
    }

    @Test func `a residual sum whose branch also reads the stream`() {
        let weight = FrozenWeight(random(6, 6, seed: 2))
        expectGradients(of: [Leaf("x", 4, 6)]) { tape, leaves in
            let stream = tape.scale(leaves[0], by: 0.75)
            let first = tape.add(stream, tape.linear(stream, weight))
            let second = tape.add(first, tape.linear(first, weight))
            return weightedSum(second, on: tape)
        }
    }

    @Test func `a value added to itself`() {
        expectGradients(of: [Leaf("x", 3, 5)]) { tape, leaves in
            let doubled = tape.add(leaves[0], leaves[0])
            return weightedSum(tape.add(doubled, leaves[0]), on: tape)
        }
    }

    @Test func `selected rows beside all rows`() {
        let indices = backend.upload([4, 0, 3])
        expectGradients(of: [Leaf("x", 6, 5)]) { tape, leaves in
            let stream = tape.scale(leaves[0], by: 1)
            return weightedSum(tape.selectRows(stream, indices), on: tape, seed: 5)
                + weightedSum(tape.scale(stream, by: -0.5), on: tape, seed: 6)
        }
        expectGradients(of: [Leaf("x", 6, 5)]) { tape, leaves in
            weightedSum(tape.selectRows(leaves[0], indices), on: tape)
        }
    }

    @Test func `rows that become several, and one that becomes none`() {
        let expansion = RowExpansion(sources: [2, 0, 2, 2, 3, 0], sourceCount: 4, on: backend)
        expectGradients(of: [Leaf("x", 4, 19)]) { tape, leaves in
            let stream = tape.scale(leaves[0], by: 1)
            return weightedSum(tape.expandRows(stream, expansion), on: tape, seed: 5)
                + weightedSum(tape.scale(stream, by: -0.5), on: tape, seed: 6)
        }
    }

    @Test(arguments: [Float(0), 1])
    func `the root-mean-square norm`(offset: Float) {
        let weight = random(1, 19, seed: 2)
        expectGradients(of: [Leaf("x", 4, 19)]) { tape, leaves in
            weightedSum(tape.rmsNorm(leaves[0], weight: weight, offset: offset, epsilon: 1e-5), on: tape)
        }
    }

    @Test(arguments: [6, 4])
    func `rotary embedding`(rotaryWidth: Int) {
        let table = rotaryTable(positions: 12, width: rotaryWidth, on: backend)
        let positions = backend.upload([0, 5, 11, 1])
        expectGradients(of: [Leaf("x", 4, 18)]) { tape, leaves in
            let fresh = tape.scale(leaves[0], by: 1)
            return weightedSum(
                tape.rotary(fresh, headWidth: 6, table: table, positions: positions), on: tape)
        }
    }

    @Test(arguments: [GateActivation.silu, .geluTanh])
    func `gated activations`(activation: GateActivation) {
        expectGradients(of: [Leaf("gate", 5, 21), Leaf("up", 5, 21)], limit: 3) { tape, leaves in
            weightedSum(tape.gated(leaves[0], leaves[1], activation: activation), on: tape)
        }
    }

    @Test func `a gated activation whose gradient is shared`() {
        expectGradients(of: [Leaf("gate", 3, 8), Leaf("up", 3, 8), Leaf("x", 3, 8)]) { tape, leaves in
            let product = tape.gated(leaves[0], leaves[1], activation: .silu)
            return weightedSum(tape.add(leaves[2], product), on: tape)
        }
    }

    @Test(arguments: [Float(0), 3], [1, 3, 100])
    func `cross-entropy in blocks`(softcap: Float, rowsAtOnce: Int) {
        let classes = 23
        let head = FrozenWeight(random(classes, 6, seed: 2))
        let labels = backend.upload([3, -1, 22, 0, -100, 7, 7])
        expectGradients(of: [Leaf("hidden", 7, 6)], limit: 2) { tape, leaves in
            let loss = tape.crossEntropy(
                leaves[0], head: head, labels: labels, softcap: softcap, gradientScale: 0.25,
                block: (rows: rowsAtOnce, columns: 9))
            #expect(loss.count == 5)
            #expect(loss.rowLosses[1] == 0 && loss.rowLosses[4] == 0)
            return 0.25 * loss.sum
        }
    }

    @Test(
        arguments: [Float(0), 3], [(rows: 1, columns: 9), (rows: 4, columns: 9), (rows: 100, columns: 100)])
    func `words that no row finds probable are left out of the gradient`(
        softcap: Float, block: (rows: Int, columns: Int)
    ) {
        let (rowCount, width, classes) = (7, 6, 40)
        let labelled: [Int32] = [3, -1, 39, 0, -100, 7, 7]
        // Large enough that probabilities lie orders of magnitude apart.
        let hidden = backend.upload(
            backend.download(random(rowCount, width, seed: 1)).map { 8 * $0 }, rowCount: rowCount,
            width: width,
            type: .float32)
        let head = FrozenWeight(random(classes, width, seed: 2))
        let labels = backend.upload(labelled)
        /// The gradient of the sum of losses, and the share of words in it.
        func gradient(_ threshold: Float) -> (values: [Float], loss: LossResult) {
            let tape = Tape(backend: backend)
            let leaf = Parameter(name: "hidden", value: hidden)
            let loss = tape.crossEntropy(
                leaf, head: head, labels: labels, softcap: softcap, gradientScale: 1,
                wordThreshold: threshold, block: block)
            tape.backward()
            return (leaf.gradient.map { backend.download($0) } ?? [], loss)
        }
        let exact = gradient(0)
        #expect(exact.loss.wordShare == 1)
        #expect(gradient(1e-30).values == exact.values)
        for threshold in [Float(0.01), 0.015] {
            let some = gradient(threshold)
            #expect(some.loss.rowLosses == exact.loss.rowLosses)
            #expect(some.loss.wordShare > 0 && some.loss.wordShare < 1)
            // What may be missing of a row: words below the threshold, all of them at most.
            let rows = backend.download(head.tensor)
            let largest = (0..<width).map { j in (0..<classes).map { abs(rows[$0 * width + j]) }.max() ?? 0 }
            for (index, value) in some.values.enumerated() {
                let bound = threshold * Float(classes) * largest[index % width] * 1.001
                #expect(abs(value - exact.values[index]) <= bound)
                if labelled[index / width] < 0 { #expect(value == 0) }
            }
            #expect(some.values != exact.values)
        }
        // Nothing reaches more than everything: the labels' own rows are all that is left.
        #expect(gradient(0.999).loss.wordShare < 0.5)
    }
}

/// Cosines and sines as a decoder makes them.
func rotaryTable(positions: Int, width: Int, base: Double = 10_000, on backend: any Backend) -> RotaryTable {
    var cosines: [Float] = []
    var sines: [Float] = []
    for position in 0..<positions {
        for pair in 0..<width / 2 {
            let angle = Double(position) * exp(-log(base) * Double(2 * pair) / Double(width))
            cosines.append(Float(cos(angle)))
            sines.append(Float(sin(angle)))
        }
    }
    return RotaryTable(
        cosines: backend.upload(cosines, rowCount: positions, width: width / 2, type: .float32),
        sines: backend.upload(sines, rowCount: positions, width: width / 2, type: .float32))
}
