// Sparse layers: exact gradients, and equality with dense layers whose unselected channels are zeroed.

import TensorEngine
import TestSupport
import Testing

@Suite struct `Layers with selected channels` {
    let backend = CPUBackend()

    func random(_ rowCount: Int, _ width: Int, seed: UInt64) -> Tensor {
        var random = SeededRandom(seed: seed)
        return random.tensor(rowCount, width, on: backend)
    }

    func selection(_ kept: [Int32], of count: Int32) -> ChannelSelection {
        ChannelSelection(
            kept: backend.upload(kept), dropped: backend.upload((0..<count).filter { !kept.contains($0) }))
    }

    func parts(context: [Int32], of rowCount: Int32, _ uses: [ChannelUse]) -> [RowPart] {
        [
            RowPart(
                rows: backend.upload((0..<rowCount).filter { !context.contains($0) }),
                uses: uses.map { _ in .all }),
            RowPart(rows: backend.upload(context), uses: uses),
        ]
    }

    @Test(arguments: [FrozenWeight.Layout.outputRows, .inputRows], [Float(0), 0.4])
    func `have the gradients of what they compute`(layout: FrozenWeight.Layout, dropoutRate: Float) {
        let weight = FrozenWeight(
            layout == .outputRows ? random(7, 6, seed: 2) : random(6, 7, seed: 2), layout: layout)
        let bias = random(1, 7, seed: 3)
        let compensation = Compensation(
            down: random(2, 6, seed: 4), up: random(2, 7, seed: 5), bias: random(1, 7, seed: 6))
        let selection = selection([1, 2, 5], of: layout == .outputRows ? 7 : 6)
        let second = FrozenWeight(random(4, 6, seed: 8))
        // Dropped channels estimated, and left out.
        let uses = [ChannelUse(selection, compensation: compensation), ChannelUse(selection)]
        for parts in uses.map({ parts(context: [0, 3, 4, 7], of: 9, [$0, .all]) }) {
            expectGradients(of: [Leaf("x", 9, 6), Leaf("A", 3, 6), Leaf("B", 7, 3)]) { tape, leaves in
                let used = dropoutRate > 0 && !tape.isRecording ? Tape(backend: tape.backend) : tape
                let adapter = LowRankPair(a: leaves[1], b: leaves[2], scale: 1.5, dropoutRate: dropoutRate)
                let results = used.linears(
                    leaves[0],
                    [
                        LinearLayer(weight, bias: bias, adapter: adapter, dropoutSeed: 9),
                        LinearLayer(second),
                    ], parts: parts)
                return weightedSum(results[0], on: used, seed: 1) + weightedSum(results[1], on: used, seed: 2)
            }
        }
    }

    /// Two layers whose weights are replaced by maps with one first factor, and one of their own beside them.
    @Test(arguments: [Float(0), 0.4]) func `replaced by maps have the gradients of the maps`(
        dropoutRate: Float
    ) {
        let weights = (0..<3).map { FrozenWeight(random(7, 6, seed: 2 + $0)) }
        let shared = random(2, 6, seed: 4)
        func map(_ down: Tensor, _ seed: UInt64) -> ChannelUse {
            .replaced(
                by: Compensation(
                    down: down, up: random(down.rowCount, 7, seed: seed), bias: random(1, 7, seed: seed + 1)))
        }
        let uses = [map(shared, 10), map(shared, 20), map(random(3, 6, seed: 5), 30)]
        let parts = parts(context: [0, 3, 4, 7], of: 9, uses)
        expectGradients(of: [Leaf("x", 9, 6), Leaf("A", 3, 6), Leaf("B", 7, 3)]) { tape, leaves in
            let used = dropoutRate > 0 && !tape.isRecording ? Tape(backend: tape.backend) : tape
            let adapter = LowRankPair(a: leaves[1], b: leaves[2], scale: 1.5, dropoutRate: dropoutRate)
            let results = used.linears(
                leaves[0],
                weights.enumerated().map { number, weight in
                    LinearLayer(weight, adapter: number == 0 ? adapter : nil, dropoutSeed: 9)
                }, parts: parts)
            return results.enumerated().reduce(0) {
                $0 + weightedSum($1.element, on: used, seed: UInt64($1.offset))
            }
        }
    }

    enum SparseKind: CaseIterable { case dense, compensated, adaptersAtFullWidth }

    @Test(arguments: SparseKind.allCases, [Float(0), 0.4])
    private func `a feed-forward network has the gradients of what it computes`(
        kind: SparseKind, dropoutRate: Float
    ) {
        let selection = selection([0, 3, 4, 8], of: 9)
        let use =
            kind == .compensated
            ? ChannelUse(
                selection,
                compensation: Compensation(
                    down: random(2, 6, seed: 14), up: random(2, 6, seed: 15), bias: random(1, 6, seed: 16)))
            : ChannelUse(selection, adaptersSeeAllChannels: true)
        let parts = kind == .dense ? nil : parts(context: [1, 2, 6], of: 8, [use])
        let weights = (0..<3).map { random(9, 6, seed: 20 + $0) }
        let leaves = [
            Leaf("x", 8, 6), Leaf("gate A", 2, 6), Leaf("gate B", 9, 2), Leaf("up A", 2, 6),
            Leaf("up B", 9, 2),
            Leaf("down A", 3, 9), Leaf("down B", 6, 3),
        ]
        expectGradients(of: leaves) { tape, leaves in
            let used = dropoutRate > 0 && !tape.isRecording ? Tape(backend: tape.backend) : tape
            func pair(_ number: Int) -> LowRankPair {
                LowRankPair(
                    a: leaves[number], b: leaves[number + 1], scale: 0.7, dropoutRate: dropoutRate)
            }
            let result = used.feedForward(
                leaves[0], gate: LinearLayer(FrozenWeight(weights[0]), adapter: pair(1), dropoutSeed: 1),
                up: LinearLayer(FrozenWeight(weights[1]), adapter: pair(3), dropoutSeed: 2),
                down: LinearLayer(
                    FrozenWeight(weights[2], layout: .inputRows), adapter: pair(5), dropoutSeed: 3),
                activation: .silu, parts: parts)
            return weightedSum(result, on: used)
        }
    }

    /// The same matrix with the rows outside `kept` zeroed.
    private func zeroed(_ matrix: Tensor, keeping kept: [Int32]) -> Tensor {
        var values = backend.download(matrix)
        for row in 0..<matrix.rowCount where !kept.contains(Int32(row)) {
            for column in 0..<matrix.width { values[row * matrix.width + column] = 0 }
        }
        return backend.upload(values, rowCount: matrix.rowCount, width: matrix.width, type: .float32)
    }

    @Test(arguments: [FrozenWeight.Layout.outputRows, .inputRows])
    func `equal dense layers whose other channels are zeroed`(layout: FrozenWeight.Layout) throws {
        let matrix = random(8, 8, seed: 2)
        let kept: [Int32] = [0, 2, 3, 7]
        let x = random(5, 8, seed: 3)
        let (a, b) = (random(2, 8, seed: 4), random(8, 2, seed: 5))
        func results(_ weight: Tensor, _ use: ChannelUse) throws -> [[Float]] {
            let tape = Tape(backend: backend)
            let input = Variable(x, needsGradient: true)
            let pair = LowRankPair(
                a: Parameter(name: "A", value: a), b: Parameter(name: "B", value: b), scale: 2)
            let output = tape.linears(
                input, [LinearLayer(FrozenWeight(weight, layout: layout), adapter: pair)],
                parts: [RowPart(rows: nil, uses: [use])])[0]
            _ = weightedSum(output, on: tape)
            tape.backward()
            return try [
                output.value, #require(input.gradient), #require(pair.a.gradient), #require(pair.b.gradient),
            ]
            .map(backend.download)
        }
        let sparse = try results(matrix, ChannelUse(selection(kept, of: 8)))
        let dense = try results(zeroed(matrix, keeping: kept), .all)
        for (number, name) in ["output", "dx", "dA", "dB"].enumerated() {
            expectClose(sparse[number], dense[number], absolute: 1e-5, relative: 1e-5, name)
        }
    }

    @Test func `a feed-forward network equals a dense one whose other channels are zeroed`() throws {
        let matrices = (0..<3).map { random(10, 6, seed: 30 + $0) }
        let kept: [Int32] = [1, 4, 5, 9]
        let x = random(7, 6, seed: 3)
        let adapters = [(2, 6), (10, 2), (2, 6), (10, 2), (2, 10), (6, 2)].enumerated().map { number, shape in
            random(shape.0, shape.1, seed: 40 + UInt64(number))
        }
        func results(_ weights: [Tensor], _ use: ChannelUse, masked: Bool) throws -> [[Float]] {
            let tape = Tape(backend: backend)
            let input = Variable(x, needsGradient: true)
            let parameters = adapters.enumerated().map { number, value in
                // Zeroing the weights leaves the adapters' own share of the other channels: mask them as well.
                let masks = masked && (number == 1 || number == 3)
                return Parameter(name: "\(number)", value: masks ? zeroed(value, keeping: kept) : value)
            }
            func layer(_ number: Int, _ layout: FrozenWeight.Layout) -> LinearLayer {
                LinearLayer(
                    FrozenWeight(weights[number], layout: layout),
                    adapter: LowRankPair(a: parameters[2 * number], b: parameters[2 * number + 1], scale: 2))
            }
            let output = tape.feedForward(
                input, gate: layer(0, .outputRows), up: layer(1, .outputRows), down: layer(2, .inputRows),
                activation: .geluTanh, parts: [RowPart(rows: nil, uses: [use])])
            _ = weightedSum(output, on: tape)
            tape.backward()
            let gradients = try parameters.map { try backend.download(#require($0.gradient)) }
            return try [backend.download(output.value), backend.download(#require(input.gradient))]
                + [gradients[0], gradients[2], gradients[4], gradients[5]]
        }
        let sparse = try results(matrices, ChannelUse(selection(kept, of: 10)), masked: false)
        let dense = try results(matrices.map { zeroed($0, keeping: kept) }, .all, masked: true)
        for (number, name) in ["output", "dx", "gate dA", "up dA", "down dA", "down dB"].enumerated() {
            expectClose(sparse[number], dense[number], absolute: 1e-5, relative: 1e-5, name)
        }
    }

    /// As of gate and up that a checkpoint stores as one matrix.
    @Test(arguments: [nil, [1, 4, 5, 9]] as [[Int32]?])
    func `layers that share a pair equal layers with a pair each`(kept: [Int32]?) throws {
        let weights = (0..<3).map { random(10, 6, seed: 30 + $0) }
        let (a, b) = (random(2, 6, seed: 40), random(20, 2, seed: 41))
        let use = kept.map { ChannelUse(selection($0, of: 10)) } ?? .all
        func results(_ pairs: [LowRankPair]) throws -> (outputs: [Float], dA: [Float], dB: [Float]) {
            let tape = Tape(backend: backend)
            let input = Variable(random(7, 6, seed: 3), needsGradient: true)
            let output = tape.feedForward(
                input, gate: LinearLayer(FrozenWeight(weights[0]), adapter: pairs[0]),
                up: LinearLayer(FrozenWeight(weights[1]), adapter: pairs[1]),
                down: LinearLayer(FrozenWeight(weights[2], layout: .inputRows)), activation: .silu,
                parts: [RowPart(rows: nil, uses: [use])])
            _ = weightedSum(output, on: tape)
            tape.backward()
            var (dA, dB): ([[Float]], [[Float]]) = ([], [])
            for pair in pairs {
                dA.append(try backend.download(#require(pair.a.gradient)))
                dB.append(try backend.download(#require(pair.b.gradient)))
            }
            let values = try backend.download(output.value) + backend.download(#require(input.gradient))
            guard pairs[0].outputRows == nil else { return (values, dA[0], dB[0]) }
            return (values, zip(dA[0], dA[1]).map { $0 + $1 }, dB[0] + dB[1])
        }
        let pair = LowRankPair(a: Parameter(name: "A", value: a), b: Parameter(name: "B", value: b), scale: 2)
        let shared = try results([pair.part(0..<10), pair.part(10..<20)])
        let separate = try results(
            [0..<10, 10..<20].map { rows in
                LowRankPair(
                    a: Parameter(name: "A", value: a), b: Parameter(name: "B", value: b.rows(rows)), scale: 2)
            })
        expectClose(shared.outputs, separate.outputs, absolute: 1e-6, relative: 1e-6, "output, dx")
        expectClose(shared.dA, separate.dA, absolute: 1e-5, relative: 1e-5, "dA")
        expectClose(shared.dB, separate.dB, absolute: 1e-5, relative: 1e-5, "dB")
        #expect(shared.dB.contains { $0 != 0 })
    }

    @Test func `adapters at full width add to a dense network whose other frozen channels are zeroed`() {
        let matrices = (0..<3).map { random(10, 6, seed: 30 + $0) }
        let biases = [10, 10, 6].enumerated().map { random(1, $1, seed: 50 + UInt64($0)) }
        let kept: [Int32] = [1, 4, 5, 9]
        let x = random(7, 6, seed: 3)
        let adapters = [(2, 6), (10, 2), (2, 6), (10, 2), (2, 10), (6, 2)].enumerated().map { number, shape in
            random(shape.0, shape.1, seed: 40 + UInt64(number))
        }
        func output(_ weights: [Tensor], _ use: ChannelUse) -> [Float] {
            func layer(_ number: Int, _ layout: FrozenWeight.Layout) -> LinearLayer {
                LinearLayer(
                    FrozenWeight(weights[number], layout: layout), bias: biases[number],
                    adapter: LowRankPair(
                        a: Parameter(name: "A", value: adapters[2 * number]),
                        b: Parameter(name: "B", value: adapters[2 * number + 1]), scale: 2))
            }
            let tape = Tape(backend: backend, isRecording: false)
            let result = tape.feedForward(
                tape.constant(x), gate: layer(0, .outputRows), up: layer(1, .outputRows),
                down: layer(2, .inputRows), activation: .silu, parts: [RowPart(rows: nil, uses: [use])])
            return backend.download(result.value)
        }
        let use = ChannelUse(selection(kept, of: 10), adaptersSeeAllChannels: true)
        let dense = output(matrices.map { zeroed($0, keeping: kept) }, .all)
        expectClose(output(matrices, use), dense, absolute: 1e-5, relative: 1e-5)
    }

    @Test func `compensation with the dropped weights themselves gives the dense result`() {
        let matrix = random(6, 5, seed: 2)
        let x = random(4, 5, seed: 3)
        let tape = Tape(backend: backend, isRecording: false)
        var identity = [Float](repeating: 0, count: 25)
        for index in 0..<5 { identity[index * 6] = 1 }
        let exact = Compensation(
            down: backend.upload(identity, rowCount: 5, width: 5, type: .float32),
            up: backend.upload(
                (0..<5).flatMap { input in (0..<6).map { backend.download(matrix)[$0 * 5 + input] } },
                rowCount: 5,
                width: 6, type: .float32))
        let sparse = tape.linears(
            Variable(x), [LinearLayer(FrozenWeight(matrix))],
            parts: parts(
                context: [0, 2, 3], of: 4, [ChannelUse(selection([1, 4], of: 6), compensation: exact)]))
        let dense = tape.linear(Variable(x), FrozenWeight(matrix))
        expectClose(
            backend.download(sparse[0].value), backend.download(dense.value), absolute: 1e-5, relative: 1e-5)
    }
}
