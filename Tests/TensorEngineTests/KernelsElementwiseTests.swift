// Elementwise kernels and kernels over rows against plain loops in double precision.

import CKernels
import Foundation
import Testing

@Suite struct `Elementwise and row kernels` {
    private func activation(_ kind: sl_activation, _ x: Double) -> Double {
        if kind == SL_SILU { return x / (1 + exp(-x)) }
        return 0.5 * x * (1 + tanh(sqrt(2 / Double.pi) * (x + 0.044715 * x * x * x)))
    }

    @Test(arguments: [SL_SILU, SL_GELU_TANH], [1, 13, 64, 4100])
    func `gated activations and their gradients`(kind: sl_activation, width: Int) {
        var random = KernelRandom(UInt64(width))
        let rows = width > 1000 ? 1 : 4
        for mixed in [false, true] {
            var types = [sl_type](repeating: random.type(), count: 6)
            if mixed { types = types.map { _ in random.type() } }
            let gate = KernelMatrix.random(rows, width, types[0], &random)
            let up = KernelMatrix.random(rows, width, types[1], &random)
            let dout = KernelMatrix.random(rows, width, types[2], &random)
            // Both tails, far enough for a careless exponential to overflow.
            for (column, value) in [Float(-120), -30, 0, 30, 120].enumerated() where column < width {
                gate[0, column] = value
            }
            let (g, u, d) = (gate.values, up.values, dout.values)
            let active = g.map { activation(kind, $0) }
            let slopes = g.map { slope(at: $0) { activation(kind, $0) } }
            onEveryInstructionSet { name in
                let out = KernelMatrix(rows, width, types[3], gap: 1)
                let dgate = KernelMatrix(rows, width, types[4], gap: 2),
                    dup = KernelMatrix(rows, width, types[5])
                sl_gated(Int64(rows), Int64(width), kind, nil, gate.matrix, up.matrix, out.matrix)
                sl_gated_backward(
                    Int64(rows), Int64(width), kind, nil, gate.matrix, up.matrix, dout.matrix, dgate.matrix,
                    dup.matrix)
                out.expect(g.indices.map { active[$0] * u[$0] }, "\(name) out")
                dgate.expect(g.indices.map { d[$0] * u[$0] * slopes[$0] }, tolerance: 1e-5, "\(name) dgate")
                dup.expect(g.indices.map { d[$0] * active[$0] }, "\(name) dup")
                // Over the inputs, as the header allows.
                let gateCopy = KernelMatrix(rows, width, types[0]),
                    upCopy = KernelMatrix(rows, width, types[1])
                gateCopy.fill(g)
                upCopy.fill(u)
                sl_gated_backward(
                    Int64(rows), Int64(width), kind, nil, gateCopy.matrix, upCopy.matrix, dout.matrix,
                    gateCopy.matrix,
                    upCopy.matrix)
                gateCopy.expect(
                    g.indices.map { d[$0] * u[$0] * slopes[$0] }, tolerance: 1e-5, "\(name) in place")
                upCopy.expect(g.indices.map { d[$0] * active[$0] }, "\(name) in place")
                // Of some rows, given once more in another order: the last to the first.
                let chosen = (0..<Int32(rows)).reversed().filter { $0 % 3 != 1 }
                let count = Int64(chosen.count)
                let picked = chosen.flatMap { row in (0..<width).map { Int(row) * width + $0 } }
                let someOut = KernelMatrix(chosen.count, width, types[3])
                let someGate = KernelMatrix(chosen.count, width, types[4]),
                    someUp = KernelMatrix(chosen.count, width, types[5], gap: 1)
                sl_gated(count, Int64(width), kind, chosen, gate.matrix, up.matrix, someOut.matrix)
                sl_gated_backward(
                    count, Int64(width), kind, chosen, gate.matrix, up.matrix, dout.matrix, someGate.matrix,
                    someUp.matrix)
                someOut.expect(picked.map { active[$0] * u[$0] }, "\(name) chosen")
                someGate.expect(
                    zip(picked, d).map { u[$0] * slopes[$0] * $1 }, tolerance: 1e-5, "\(name) chosen dgate")
                someUp.expect(zip(picked, d).map { active[$0] * $1 }, "\(name) chosen dup")
            }
        }
    }

    @Test(arguments: [SL_F32, SL_BF16], [SL_F32, SL_BF16])
    func `sums, scaling, filling and moving rows`(inType: sl_type, outType: sl_type) {
        var random = KernelRandom(7)
        for (rows, width) in [(1, 1), (5, 9), (6, 65)] {
            let (r, w) = (Int64(rows), Int64(width))
            let a = KernelMatrix.random(rows, width, inType, &random)
            let b = KernelMatrix.random(rows, width, random.type(), &random)
            let table = KernelMatrix.random(11, width, inType, &random)
            let indices = random.indices(rows, below: 11)
            let before = KernelMatrix.random(11, width, outType, &random).values
            let (av, bv, tv) = (a.values, b.values, table.values)
            onEveryInstructionSet { name in
                let out = KernelMatrix(rows, width, outType, gap: 2)
                sl_add(r, w, a.matrix, b.matrix, out.matrix)
                out.expect(zip(av, bv).map { $0 + $1 }, "\(name) add")
                sl_scale(r, w, 1.5, a.matrix, out.matrix)
                out.expect(av.map { $0 * 1.5 }, "\(name) scale")
                sl_fill(r, w, -0.75, out.matrix)
                out.expect(av.map { _ in -0.75 }, "\(name) fill")
                for scale in [Float(1), 3] {
                    sl_gather_rows(r, w, table.matrix, indices, scale, out.matrix)
                    out.expect(
                        indices.flatMap { i in (0..<width).map { tv[Int(i) * width + $0] * Double(scale) } },
                        "\(name) gather")
                }
                for accumulate in [false, true] {
                    let target = KernelMatrix(11, width, outType, gap: 1)
                    target.fill(before)
                    sl_scatter_rows(r, w, a.matrix, indices, target.matrix, accumulate)
                    var expected = before
                    for (row, index) in indices.enumerated() {
                        for column in 0..<width {
                            let at = Int(index) * width + column
                            expected[at] = (accumulate ? before[at] : 0) + av[row * width + column]
                        }
                    }
                    target.expect(expected, "\(name) scatter")
                }
            }
        }
    }

    @Test(arguments: [SL_F32, SL_BF16], [SL_F32, SL_BF16])
    func `sums of groups of rows`(inType: sl_type, outType: sl_type) {
        var random = KernelRandom(9)
        for width in [1, 16, 67] {
            let x = KernelMatrix.random(7, width, inType, &random)
            let values = x.values
            // Rows may be in several groups or in none; a group may be empty.
            let (starts, members): ([Int32], [Int32]) = ([0, 3, 3, 4, 6], [6, 0, 2, 2, 1, 5])
            let expected = (0..<4).flatMap { group in
                (0..<width).map { column in
                    members[Int(starts[group])..<Int(starts[group + 1])].reduce(0.0) {
                        $0 + values[Int($1) * width + column]
                    }
                }
            }
            onEveryInstructionSet { name in
                let out = KernelMatrix(4, width, outType, gap: 1)
                sl_sum_rows(4, Int64(width), x.matrix, starts, members, out.matrix)
                out.expect(expected, "\(name) group sums")
            }
        }
    }

    @Test func `sums over rows add up in one order for every thread count`() {
        var random = KernelRandom(8)
        for (rows, width) in [(1, 3), (130, 150), (0, 5)] {
            for type in [SL_F32, SL_BF16] {
                let x = KernelMatrix.random(rows, width, type, &random)
                let values = x.values
                let start = random.floats(width)
                onEveryInstructionSet { name in
                    for accumulate in [false, true] {
                        var results: [[Float]] = []
                        for threads in 1...3 {
                            results.append(
                                withThreads(threads) {
                                    var out = start
                                    sl_column_sums(
                                        Int64(rows), Int64(width), x.matrix, nil, false, &out, accumulate)
                                    return out
                                })
                        }
                        #expect(results[0] == results[1] && results[0] == results[2])
                        for column in 0..<width {
                            let sum = (0..<rows).reduce(accumulate ? Double(start[column]) : 0) {
                                $0 + values[$1 * width + column]
                            }
                            #expect(abs(Double(results[0][column]) - sum) < 1e-4, "\(name) column \(column)")
                        }
                    }
                }
            }
        }
    }

    @Test func `dropout keeps the right share, the same elements everywhere, and scales them`() {
        let (rows, width) = (8, 5001)
        let ones = KernelMatrix(rows, width, SL_F32)
        ones.fill([Double](repeating: 1, count: rows * width))
        for rate in [Float(0), 0.1, 0.5, 0.9, 1] {
            var masks: [[Double]] = []
            onEveryInstructionSet { name in
                let out = KernelMatrix(rows, width, SL_F32, gap: 3)
                sl_dropout(Int64(rows), Int64(width), rate, 42, ones.matrix, out.matrix)
                #expect(out.gapsAreUntouched)
                masks.append(out.values)
                #expect(masks[0] == out.values, "\(name) drops other elements")
            }
            let kept = masks[0].filter { $0 != 0 }
            #expect(kept.allSatisfy { abs($0 * (1 - Double(rate)) - 1) < 1e-6 })
            // Five standard deviations of a fair choice.
            let count = Double(rows * width)
            let deviation = sqrt(count * Double(rate) * (1 - Double(rate)))
            #expect(abs(Double(kept.count) - count * (1 - Double(rate))) <= 5 * deviation)
        }
    }

    @Test func `dropout masks of two seeds agree no more often than chance`() {
        let width = 40_000
        let ones = KernelMatrix(1, width, SL_BF16)
        ones.fill([Double](repeating: 1, count: width))
        let first = KernelMatrix(1, width, SL_BF16), second = KernelMatrix(1, width, SL_BF16)
        sl_dropout(1, Int64(width), 0.5, 1, ones.matrix, first.matrix)
        sl_dropout(1, Int64(width), 0.5, 2, ones.matrix, second.matrix)
        let agreeing = zip(first.values, second.values).reduce(0) { $0 + ($1.0 == $1.1 ? 1 : 0) }
        #expect(abs(agreeing - width / 2) < 500)
        // Neighbours are independent too.
        let values = first.values
        let alike = zip(values, values.dropFirst()).reduce(0) { $0 + ($1.0 == $1.1 ? 1 : 0) }
        #expect(abs(alike - width / 2) < 500)
    }
}

/// Runs `body` with the pool at `count` threads. Other tests may run meanwhile: no result depends on the count.
func withThreads<Result>(_ count: Int, _ body: () -> Result) -> Result {
    let previous = sl_thread_count()
    sl_set_thread_count(Int32(count))
    defer { sl_set_thread_count(previous) }
    return body()
}
