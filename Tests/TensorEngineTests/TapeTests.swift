// What the tape records, shares, keeps and repeats.

import TensorEngine
import TestSupport
import Testing

@Suite struct `The tape` {
    private let backend = CPUBackend()

    private func random(_ rowCount: Int, _ width: Int, seed: UInt64) -> Tensor {
        var random = SeededRandom(seed: seed)
        return random.tensor(rowCount, width, on: backend)
    }

    private func leaf(_ rowCount: Int, _ width: Int, seed: UInt64) -> Parameter {
        Parameter(name: "leaf", value: random(rowCount, width, seed: seed))
    }

    @Test func `records nothing for inputs that need no gradient`() {
        let tape = Tape(backend: backend)
        let x = Variable(random(4, 6, seed: 1))
        let y = tape.linear(x, FrozenWeight(random(6, 6, seed: 2)))
        let z = tape.add(tape.rmsNorm(y, weight: random(1, 6, seed: 3), epsilon: 1e-5), x)
        let w = tape.selectRows(tape.gated(z, y, activation: .silu), backend.upload([2, 0]))
        _ = tape.crossEntropy(
            tape.scale(w, by: 2), head: FrozenWeight(random(9, 6, seed: 4)), labels: backend.upload([1, 2]),
            gradientScale: 1)
        #expect(tape.recordedCount == 0)
        #expect(!w.needsGradient)
    }

    @Test func `records nothing and drops nothing out when it does not record`() {
        let tape = Tape(backend: backend, isRecording: false)
        let x = random(4, 6, seed: 1)
        let weight = FrozenWeight(random(5, 6, seed: 2))
        let (a, b) = (leaf(2, 6, seed: 3), leaf(5, 2, seed: 4))
        let certain = tape.linear(Variable(x), weight, adapter: LowRankPair(a: a, b: b, scale: 1))
        let dropping = tape.linear(
            Variable(x), weight, adapter: LowRankPair(a: a, b: b, scale: 1, dropoutRate: 0.9))
        #expect(tape.recordedCount == 0)
        #expect(backend.download(certain.value) == backend.download(dropping.value))
    }

    @Test func `dropout follows its seed`() {
        let weight = FrozenWeight(random(5, 6, seed: 2))
        let x = Variable(random(4, 6, seed: 1))
        let pair = LowRankPair(a: leaf(2, 6, seed: 3), b: leaf(5, 2, seed: 4), scale: 1, dropoutRate: 0.5)
        func output(seed: UInt64) -> [Float] {
            backend.download(
                Tape(backend: backend).linear(x, weight, adapter: pair, dropoutSeed: seed).value)
        }
        #expect(output(seed: 8) == output(seed: 8))
        #expect(output(seed: 8) != output(seed: 9))
    }

    @Test func `computes no gradient below the first adapter`() {
        let tape = Tape(backend: backend)
        let below = tape.linear(Variable(random(4, 6, seed: 1)), FrozenWeight(random(6, 6, seed: 2)))
        #expect(tape.recordedCount == 0)
        let pair = LowRankPair(a: leaf(2, 6, seed: 3), b: leaf(5, 2, seed: 4), scale: 1)
        let output = tape.linear(below, FrozenWeight(random(5, 6, seed: 5)), adapter: pair)
        #expect(tape.recordedCount == 1)
        tape.backward(from: output, gradient: random(4, 5, seed: 6))
        #expect(below.gradient == nil)
        #expect(pair.a.gradient != nil && pair.b.gradient != nil)
    }

    @Test func `adds gradients over two backward passes until they are cleared`() {
        let block = TinyBlock(type: .float32)
        _ = block.run()
        let once = block.gradients
        _ = block.run()
        for (twice, once) in zip(block.gradients, once) {
            // The second contribution is added to the first in f32: half an ulp of the sum each time.
            expectClose(twice, once.map { 2 * $0 }, absolute: 1e-6, relative: 1e-5)
        }
        block.clearGradients()
        #expect(block.parameters.allSatisfy { $0.gradient == nil })
        _ = block.run()
        #expect(block.gradients == once)
    }

    @Test func `copies a shared gradient before adding to it`() {
        let (x, y) = (leaf(3, 4, seed: 1), leaf(3, 4, seed: 2))
        let tape = Tape(backend: backend)
        let sum = tape.add(x, y)
        let pushed = random(3, 4, seed: 3)
        tape.backward(from: sum, gradient: pushed)
        tape.backward(from: tape.scale(x, by: 3), gradient: pushed)
        let expected = backend.download(pushed)
        #expect(y.gradient.map(backend.download) == expected)
        expectClose(x.gradient.map(backend.download) ?? [], expected.map { 4 * $0 }, relative: 1e-6)
    }

    @Test func `keeps a gradient in place when nobody shares it`() {
        let x = leaf(3, 4, seed: 1)
        let tape = Tape(backend: backend)
        tape.backward(from: tape.scale(x, by: 2), gradient: random(3, 4, seed: 2))
        let before = x.gradient.map { ObjectIdentifier($0.storage) }
        tape.backward(from: tape.scale(x, by: 2), gradient: random(3, 4, seed: 3))
        #expect(before != nil && x.gradient.map { ObjectIdentifier($0.storage) } == before)
    }

    @Test func `frees values that no pullback reads during the forward pass`() {
        weak var product: Storage?
        let tape = Tape(backend: backend)
        let gate = leaf(3, 8, seed: 1)
        let output = {
            let gated = tape.gated(gate, gate, activation: .silu)
            product = gated.value.storage
            return tape.linear(gated, FrozenWeight(random(4, 8, seed: 2)))
        }()
        #expect(product == nil)
        tape.backward(from: output, gradient: random(3, 4, seed: 3))
        #expect(gate.gradient != nil)
    }

    @Test func `makes normalised and gated values again rather than keeping them`() {
        weak var normalised: Storage?
        weak var product: Storage?
        let tape = Tape(backend: backend)
        let x = leaf(3, 8, seed: 1)
        let pairs = (0..<2).map {
            LowRankPair(a: leaf(2, 8, seed: 2 + $0), b: leaf(8, 2, seed: 4 + $0), scale: 1)
        }
        let weight = FrozenWeight(random(8, 8, seed: 6))
        func run(_ tape: Tape) -> Variable {
            let norm = tape.rmsNorm(x, weight: random(1, 8, seed: 7), epsilon: 1e-5)
            normalised = norm.value.storage
            let inner = tape.linear(norm, weight, adapter: pairs[0])
            let gated = tape.gated(inner, inner, activation: .silu)
            product = gated.value.storage
            return tape.linear(gated, weight, adapter: pairs[1])
        }
        let output = run(tape)
        #expect(normalised == nil && product == nil)
        tape.backward(from: output, gradient: random(3, 8, seed: 8))
        // dA = s dP^T x, of the values as they are when somebody holds them.
        let norm = Tape(backend: backend, isRecording: false).rmsNorm(
            x, weight: random(1, 8, seed: 7), epsilon: 1e-5)
        let other = Tape(backend: backend)
        let held = Parameter(name: "held", value: norm.value)
        let inner = other.linear(held, weight, adapter: pairs[0])
        let gradients = pairs.map { $0.a.gradient.map(backend.download) }
        for pair in pairs { pair.a.clearGradient() }
        other.backward(
            from: other.linear(
                other.gated(inner, inner, activation: .silu), weight, adapter: pairs[1]),
            gradient: random(3, 8, seed: 8))
        #expect(pairs.map { $0.a.gradient.map(backend.download) } == gradients)
    }

    @Test
    func `makes a kept value plus a normalised one again, and keeps the sum of two that are made again`() {
        let weight = random(1, 8, seed: 1)
        let (x, y) = (leaf(3, 8, seed: 2), leaf(3, 8, seed: 3))
        let pushed = random(3, 8, seed: 4)
        func norm(_ x: Variable, on tape: Tape) -> Variable { tape.rmsNorm(x, weight: weight, epsilon: 1e-5) }

        weak var sum: Storage?
        weak var next: Storage?
        let tape = Tape(backend: backend)
        let output = {
            let first = tape.add(x, norm(y, on: tape))
            sum = first.value.storage
            let second = tape.add(first, norm(first, on: tape))
            next = second.value.storage
            return norm(second, on: tape)
        }()
        #expect(sum == nil && next != nil)
        tape.backward(from: output, gradient: pushed)

        // The same from values that somebody holds, backwards from the end.
        let held = Tape(backend: backend, isRecording: false)
        let first = held.add(x, norm(y, on: held))
        let second = held.add(first, norm(first, on: held))
        func pulled(_ value: Variable, _ gradient: Tensor, _ operation: (Variable, Tape) -> Variable)
            -> Tensor?
        {
            let leaf = Parameter(name: "held", value: value.value)
            let tape = Tape(backend: backend)
            tape.backward(from: operation(leaf, tape), gradient: gradient)
            return leaf.gradient
        }
        let ofSecond = pulled(second, pushed) { norm($0, on: $1) }
        let ofFirst = ofSecond.flatMap { pulled(first, $0) { $1.add($0, norm($0, on: $1)) } }
        let ofY = ofFirst.flatMap { pulled(y, $0) { norm($0, on: $1) } }
        #expect(ofFirst != nil && x.gradient.map(backend.download) == ofFirst.map(backend.download))
        #expect(ofY != nil && y.gradient.map(backend.download) == ofY.map(backend.download))
    }

    @Test func `drops everything on reset`() {
        let x = leaf(3, 4, seed: 1)
        let tape = Tape(backend: backend)
        let y = tape.scale(x, by: 2)
        tape.reset()
        tape.backward(from: y, gradient: random(3, 4, seed: 2))
        #expect(x.gradient == nil)
    }
}

@Suite struct `A block run forward and backward` {
    /// bf16 keeps 8 bits: every stored value is off by up to 0.4%, and about ten roundings follow each other between
    /// the embedding and a gradient. Behind the softmax, which magnifies them, q's come to 2.5% of the array's length
    /// (3.1% where the adapters are rounded too), all others to 1.4%.
    @Test func `agrees in bf16 with f32 on every instruction set`() {
        forEachInstructionSet { set in
            let exact = TinyBlock(type: .float32)
            let rounded = TinyBlock(type: .bfloat16)
            let (exactLoss, roundedLoss) = (exact.run(), rounded.run())
            #expect(abs(exactLoss.sum - roundedLoss.sum) < 0.02 * exactLoss.sum, "\(set)")
            for (index, pair) in zip(rounded.gradients, exact.gradients).enumerated() {
                let error = relativeError(pair.0, pair.1)
                #expect(error < 0.05, "\(set) \(exact.parameters[index].name)")
                #expect(error > 0, "bf16 rounds, so equal gradients mean that f32 was used")
            }
        }
    }

    @Test(arguments: [ElementType.float32, .bfloat16])
    func `agrees between instruction sets`(type: ElementType) {
        let reference = TinyBlock(type: type)
        _ = InstructionSet.portable.run { reference.run() }
        forEachInstructionSet { set in
            let block = TinyBlock(type: type)
            _ = block.run()
            for (gradient, expected) in zip(block.gradients, reference.gradients) {
                // Sums in another order; in bf16 also other products, see above.
                #expect(relativeError(gradient, expected) < (type == .float32 ? 1e-5 : 0.05), "\(set)")
            }
        }
    }

    @Test(arguments: [ElementType.float32, .bfloat16])
    func `gives the same bits for any number of threads`(type: ElementType) {
        let previous = CPUBackend.threadCount
        defer { CPUBackend.threadCount = previous }
        forEachInstructionSet { set in
            var results: [(losses: [Float], gradients: [[Float]])] = []
            for threads in 1...3 {
                CPUBackend.threadCount = threads
                let block = TinyBlock(
                    type: type, sequenceLengths: [100, 61], headCount: 4, headWidth: 16)
                let loss = block.run(dropoutRate: 0.1)
                results.append((loss.rowLosses, block.gradients))
            }
            for result in results.dropFirst() {
                #expect(result.losses == results[0].losses, "\(set)")
                #expect(result.gradients == results[0].gradients, "\(set)")
            }
        }
    }

    @Test func `has the gradient of its own loss`() {
        let block = TinyBlock(type: .float32)
        _ = block.run()
        let gradients = block.gradients
        for (parameter, gradient) in zip(block.parameters, gradients) {
            // Along the gradient itself, moved by about a hundredth of the parameter's size.
            let values = block.backend.download(parameter.value)
            let length = gradient.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
            let step = Float(0.02 / length)
            func loss(_ step: Float) -> Double {
                let moved = block.backend.upload(
                    zip(values, gradient).map { $0 + step * $1 }, rowCount: parameter.value.rowCount,
                    width: parameter.value.width, type: .float32)
                block.backend.copy(moved, scale: 1, into: parameter.value)
                return 0.1 * block.run(isRecording: false).sum
            }
            let slope = (loss(step) - loss(-step)) / (2 * Double(step))
            _ = loss(0)
            #expect(abs(slope - length * length) < 5e-3 * length * length, "\(parameter.name)")
        }
    }
}
