// Attention against the full score matrix in double precision, forward and backward.

import CKernels
import Foundation
import Testing

/// Sequences, heads and data of one attention, and what it computes.
private struct AttentionCase {
    var keyCounts: [Int]
    /// The positions of each sequence's query rows.
    var positions: [[Int]]
    var keyValueHeads = 1, group = 1, width = 8
    var softcap: Float = 0
    var window = 0
    /// The row of the matrices that each query is; nil where query i is row i.
    var rows: [Int32]?

    var heads: Int { keyValueHeads * group }
    var queryCount: Int { positions.reduce(0) { $0 + $1.count } }
    var queryRows: Int { rows.map { Int($0.max() ?? 0) + 2 } ?? queryCount }
    var keyRows: Int { keyCounts.reduce(0, +) }
    var scale: Float { 0.25 }

    static func whole(_ lengths: [Int]) -> AttentionCase {
        AttentionCase(keyCounts: lengths, positions: lengths.map { Array(0..<$0) })
    }

    func with(heads: (keyValue: Int, group: Int), width: Int, softcap: Float = 0, window: Int = 0)
        -> AttentionCase
    {
        var changed = self
        (changed.keyValueHeads, changed.group, changed.width) = (heads.keyValue, heads.group, width)
        (changed.softcap, changed.window) = (softcap, window)
        return changed
    }

    func withShape(_ body: (UnsafePointer<sl_attention_shape>) -> Void) {
        func starts(_ counts: [Int]) -> [Int32] {
            counts.reduce(into: [0]) { $0.append($0[$0.count - 1] + Int32($1)) }
        }
        let queryStarts = starts(positions.map(\.count)), keyStarts = starts(keyCounts)
        let flat = positions.flatMap { $0 }.map { Int32($0) } + [0]
        queryStarts.withUnsafeBufferPointer { queryStarts in
            keyStarts.withUnsafeBufferPointer { keyStarts in
                flat.withUnsafeBufferPointer { flat in
                    var shape = sl_attention_shape(
                        sequences: Int64(keyCounts.count), query_starts: queryStarts.baseAddress,
                        key_starts: keyStarts.baseAddress, query_positions: flat.baseAddress,
                        query_rows: nil, heads: Int64(heads),
                        key_value_heads: Int64(keyValueHeads), head_width: Int64(width), scale: scale,
                        softcap: softcap, window: Int64(window))
                    guard let rows else { return body(&shape) }
                    rows.withUnsafeBufferPointer {
                        shape.query_rows = $0.baseAddress
                        body(&shape)
                    }
                }
            }
        }
    }

    /// Calls `body` with a query's place in q, the places in k of the keys it sees, and its place in log-sum-exps.
    private func forEachQuery(_ body: (_ query: Int, _ keys: [Int], _ lane: Int) -> Void) {
        var (row, firstKey) = (0, 0)
        for (sequence, rows) in positions.enumerated() {
            for position in rows {
                let first = window > 0 ? max(0, position - window + 1) : 0
                for head in 0..<heads {
                    let keys = (first...position).map {
                        (firstKey + $0) * keyValueHeads * width + head / group * width
                    }
                    body((row * heads + head) * width, keys, row * heads + head)
                }
                row += 1
            }
            firstKey += keyCounts[sequence]
        }
    }

    private func dot(_ a: [Double], _ i: Int, _ b: [Double], _ j: Int) -> Double {
        var sum = 0.0
        for d in 0..<width { sum += a[i + d] * b[j + d] }
        return sum
    }

    private func scores(_ q: [Double], _ query: Int, _ k: [Double], _ keys: [Int]) -> [Double] {
        keys.map { key in
            let score = dot(q, query, k, key) * Double(scale)
            return softcap > 0 ? Double(softcap) * tanh(score / Double(softcap)) : score
        }
    }

    func forward(_ q: [Double], _ k: [Double], _ v: [Double]) -> (out: [Double], logSumExp: [Double]) {
        var out = [Double](repeating: 0, count: queryRows * heads * width)
        var logSumExp = [Double](repeating: 0, count: queryRows * heads)
        forEachQuery { query, keys, lane in
            let scores = scores(q, query, k, keys)
            let sum = scores.reduce(0) { $0 + exp($1) }
            logSumExp[lane] = log(sum)
            for (score, key) in zip(scores, keys) {
                let probability = exp(score) / sum
                for d in 0..<width { out[query + d] += probability * v[key + d] }
            }
        }
        return (out, logSumExp)
    }

    func backward(
        _ q: [Double], _ k: [Double], _ v: [Double], out: [Double], dout: [Double]
    ) -> (dq: [Double], dk: [Double], dv: [Double]) {
        var dq = [Double](repeating: 0, count: q.count)
        var dk = [Double](repeating: 0, count: k.count), dv = dk
        forEachQuery { query, keys, _ in
            let scores = scores(q, query, k, keys)
            let sum = scores.reduce(0) { $0 + exp($1) }
            let delta = dot(dout, query, out, query)
            for (score, key) in zip(scores, keys) {
                let probability = exp(score) / sum
                var gradient = probability * (dot(dout, query, v, key) - delta) * Double(scale)
                if softcap > 0 { gradient *= 1 - pow(score / Double(softcap), 2) }
                for d in 0..<width {
                    dq[query + d] += gradient * k[key + d]
                    dk[key + d] += gradient * q[query + d]
                    dv[key + d] += probability * dout[query + d]
                }
            }
        }
        return (dq, dk, dv)
    }
}

/// The arrays of one attention, as kernels take them.
private struct AttentionData {
    let q, k, v, dout, out, dq, dk, dv: KernelMatrix
    var logSumExp, delta: [Float]

    init(_ test: AttentionCase, types: [sl_type], _ random: inout KernelRandom) {
        let (queryWidth, keyWidth) = (test.heads * test.width, test.keyValueHeads * test.width)
        q = .random(test.queryRows, queryWidth, types[0], &random)
        k = .random(test.keyRows, keyWidth, types[1], &random)
        v = .random(test.keyRows, keyWidth, types[2], &random)
        dout = .random(test.queryRows, queryWidth, types[3], &random)
        out = KernelMatrix(test.queryRows, queryWidth, types[4], gap: 1)
        dq = KernelMatrix(test.queryRows, queryWidth, types[5], gap: 2)
        dk = KernelMatrix(test.keyRows, keyWidth, types[6], gap: 3)
        dv = KernelMatrix(test.keyRows, keyWidth, types[7])
        logSumExp = [Float](repeating: 0, count: test.queryRows * test.heads)
        delta = logSumExp
    }

    /// Whether operands stay bf16, so that probabilities and their gradients are rounded to it.
    func isInPairs(on instructionSet: String) -> Bool {
        instructionSet.contains("bf16") && [q, k, v].allSatisfy { $0.type == SL_BF16 }
    }

    /// As in generation, where nothing is kept for a backward pass.
    func infer(_ test: AttentionCase) {
        test.withShape { sl_attention($0, q.matrix, k.matrix, v.matrix, out.matrix, nil) }
    }

    mutating func run(_ test: AttentionCase) {
        test.withShape { shape in
            sl_attention(shape, q.matrix, k.matrix, v.matrix, out.matrix, &logSumExp)
            sl_attention_backward(
                shape, q.matrix, k.matrix, v.matrix, out.matrix, logSumExp, dout.matrix, &delta, dq.matrix,
                dk.matrix,
                dv.matrix)
        }
    }
}

@Suite struct `Attention kernels` {
    private static let cases: [AttentionCase] = [
        .whole([1]).with(heads: (1, 1), width: 1),
        .whole([3, 9]).with(heads: (2, 3), width: 5),
        // Longer than a block of 64 keys, around a sequence without any row.
        .whole([70, 0, 33]).with(heads: (1, 2), width: 8),
        .whole([67]).with(heads: (1, 1), width: 24, softcap: 2),
        .whole([80, 21]).with(heads: (1, 3), width: 8, window: 7),
        .whole([75]).with(heads: (2, 1), width: 16, softcap: 1.5, window: 66),
        // More heads in a group than a tile has lanes.
        .whole([5]).with(heads: (1, 50), width: 3),
        // Decoding steps and a prompt against a cache, a sequence that only lends keys, and a few rows of a last layer.
        AttentionCase(
            keyCounts: [66, 9, 4, 71, 20], positions: [[65], [6, 7, 8], [], [3, 10, 64, 70], [19]]
        )
        .with(heads: (2, 2), width: 9),
        AttentionCase(keyCounts: [130, 3], positions: [[2, 100, 129], [1]]).with(
            heads: (1, 4), width: 8, window: 5),
    ]

    @Test(arguments: cases.indices)
    func `agree with the full score matrix`(index: Int) {
        let test = Self.cases[index]
        for round in 0..<3 {
            var random = KernelRandom(UInt64(index * 10 + round))
            let types = (0..<8).map { _ in round == 0 ? SL_F32 : round == 1 ? SL_BF16 : random.type() }
            var data = AttentionData(test, types: types, &random)
            let (q, k, v, dout) = (data.q.values, data.k.values, data.v.values, data.dout.values)
            let expected = test.forward(q, k, v)
            // From the output as it is stored, which is what the kernel has.
            let stored = KernelMatrix(test.queryRows, test.heads * test.width, types[4])
            stored.fill(expected.out)
            let gradients = test.backward(q, k, v, out: stored.values, dout: dout)
            // Rounding of a bf16 output to its other neighbour moves delta, and with it the gradients.
            let tolerance = types[4] == SL_BF16 ? 4e-3 : 2e-5
            onEveryInstructionSet { name in
                data.run(test)
                let inPairs = data.isInPairs(on: name)
                let isBackwardInPairs = inPairs && types[3] == SL_BF16
                data.out.expect(expected.out, tolerance: inPairs ? 8e-3 : 1e-5, "\(name) out")
                for (actual, value) in zip(data.logSumExp, expected.logSumExp) {
                    #expect(abs(Double(actual) - value) < 1e-5 * max(1, abs(value)), "\(name) log-sum-exp")
                }
                let most = isBackwardInPairs ? 2e-2 : tolerance
                data.dq.expect(gradients.dq, tolerance: most, "\(name) dq")
                data.dk.expect(gradients.dk, tolerance: most, "\(name) dk")
                data.dv.expect(gradients.dv, tolerance: isBackwardInPairs ? 2e-2 : 2e-5, "\(name) dv")
            }
        }
    }

    /// Few rows against many keys, with and without what is too old to be seen.
    @Test(arguments: [
        AttentionCase(keyCounts: [300, 40, 129], positions: [[298, 299], [39], [128]])
            .with(heads: (2, 3), width: 16),
        AttentionCase(keyCounts: [257, 0, 500], positions: [[256], [], [3, 128, 499]])
            .with(heads: (1, 4), width: 48, softcap: 1.5),
        AttentionCase(keyCounts: [400, 140], positions: [[398, 399], [100]])
            .with(heads: (3, 1), width: 80, window: 90),
        AttentionCase(keyCounts: [200], positions: [[199]]).with(heads: (2, 2), width: 12),
    ])
    private func `agree with the full score matrix in decoding`(test: AttentionCase) {
        for type in [SL_F32, SL_BF16] {
            var random = KernelRandom(7)
            let data = AttentionData(test, types: [sl_type](repeating: type, count: 8), &random)
            let expected = test.forward(data.q.values, data.k.values, data.v.values)
            onEveryInstructionSet { name in
                var results: [[Double]] = []
                for threads in 1...3 {
                    data.out.fill([Double](repeating: .nan, count: expected.out.count))
                    withThreads(threads) { data.infer(test) }
                    data.out.expect(
                        expected.out, tolerance: data.isInPairs(on: name) ? 8e-3 : 1e-5,
                        "\(name) out, \(threads) threads")
                    results.append(data.out.values)
                }
                #expect(results.allSatisfy { $0 == results[0] }, "\(name)")
            }
        }
    }

    /// A cache has room for more tokens than it holds.
    @Test func `what lies beyond the last row's position is not read in decoding`() {
        let test = AttentionCase(keyCounts: [512, 300], positions: [[140], [19, 20]])
            .with(heads: (2, 5), width: 32)
        var random = KernelRandom(11)
        let data = AttentionData(test, types: [sl_type](repeating: SL_F32, count: 8), &random)
        let expected = test.forward(data.q.values, data.k.values, data.v.values).out
        for unseen in [141..<512, 512 + 21..<812] {
            for row in unseen { (data.k[row, 3], data.v[row, 40]) = (.nan, .nan) }
        }
        onEveryInstructionSet { name in
            data.infer(test)
            data.out.expect(expected, tolerance: 1e-5, "\(name) out")
        }
    }

    /// Scores that are all equal, among numbers of keys that are powers of 2: probabilities that bf16 holds exactly, so
    /// nothing but sums is rounded, and whatever stands in the wrong place shows.
    @Test(arguments: [1, 3], [8, 27, 64])
    func `are exact in bf16 where probabilities are`(group: Int, width: Int) {
        let positions = [[0, 1, 3, 7, 15, 31, 63, 127], [3, 7, 15], [63], []]
        let test = AttentionCase(keyCounts: [150, 16, 64, 5], positions: positions)
            .with(heads: (2, group), width: width)
        var random = KernelRandom(UInt64(width))
        let types = [SL_BF16, SL_BF16, SL_BF16, SL_BF16, SL_F32, SL_F32, SL_F32, SL_F32]
        var data = AttentionData(test, types: types, &random)
        data.q.fill([Double](repeating: 0, count: data.q.values.count))
        let (q, k, v, dout) = (data.q.values, data.k.values, data.v.values, data.dout.values)
        let out = test.forward(q, k, v).out
        let gradients = test.backward(q, k, v, out: out, dout: dout)
        onEveryInstructionSet { name in
            data.run(test)
            data.out.expect(out, tolerance: 1e-5, "\(name) out")
            data.dv.expect(gradients.dv, tolerance: 1e-5, "\(name) dv")
            data.dq.expect(gradients.dq, tolerance: data.isInPairs(on: name) ? 2e-2 : 1e-5, "\(name) dq")
        }
    }

    @Test(arguments: [Float(0), 1.5])
    func `the reference gradient is the slope of the reference`(softcap: Float) {
        let test = AttentionCase(keyCounts: [6, 3], positions: [[1, 4, 5], [2]])
            .with(heads: (2, 2), width: 3, softcap: softcap, window: 4)
        var random = KernelRandom(99)
        let data = AttentionData(test, types: [sl_type](repeating: SL_F32, count: 8), &random)
        let inputs = [data.q.values, data.k.values, data.v.values], dout = data.dout.values
        let out = test.forward(inputs[0], inputs[1], inputs[2]).out
        let gradients = test.backward(inputs[0], inputs[1], inputs[2], out: out, dout: dout)
        for (which, gradient) in [gradients.dq, gradients.dk, gradients.dv].enumerated() {
            for at in gradient.indices {
                let difference = slope(at: inputs[which][at]) { value in
                    var moved = inputs
                    moved[which][at] = value
                    return zip(test.forward(moved[0], moved[1], moved[2]).out, dout).reduce(0) {
                        $0 + $1.0 * $1.1
                    }
                }
                #expect(abs(difference - gradient[at]) < 1e-7)
            }
        }
    }

    /// Rows that are no query hold whatever they like, and keep what they hold.
    @Test(arguments: [SL_F32, SL_BF16])
    func `of some rows are what they are of these rows alone`(type: sl_type) {
        let alone = AttentionCase(
            keyCounts: [70, 9, 3, 66], positions: [[0, 3, 4, 69], [8], [], Array(1..<64)]
        )
        .with(heads: (2, 3), width: 24)
        var among = alone
        among.rows = (0..<Int32(alone.queryCount)).map { 2 * $0 + $0 / 3 + 1 }
        var random = KernelRandom(11)
        let types = [sl_type](repeating: type, count: 8)
        var (some, all) = (
            AttentionData(alone, types: types, &random), AttentionData(among, types: types, &random)
        )
        all.k.fill(some.k.values)
        all.v.fill(some.v.values)
        let rows = (among.rows ?? []).map(Int.init)
        for (query, row) in rows.enumerated() {
            for column in 0..<some.q.width {
                all.q[row, column] = some.q[query, column]
                all.dout[row, column] = some.dout[query, column]
            }
        }
        func picked(_ matrix: KernelMatrix) -> [Float] {
            rows.flatMap { row in (0..<matrix.width).map { matrix[row, $0] } }
        }
        onEveryInstructionSet { name in
            some.run(alone)
            withThreads(1 + rows.count % 3) { all.run(among) }
            for (result, expected) in [(all.out, some.out), (all.dq, some.dq)] {
                #expect(picked(result).map(Double.init) == expected.values, "\(name)")
                let untouched = KernelMatrix(1, 1, type)
                #expect(
                    Set(0..<result.rows).subtracting(rows).allSatisfy { result[$0, 0] == untouched[0, 0] },
                    "\(name)")
            }
            #expect(all.dk.values == some.dk.values && all.dv.values == some.dv.values, "\(name)")
        }
    }

    /// One thread takes whole heads. Several cut a single head by rows and by keys; of three heads two threads do two
    /// whole and cut the third.
    @Test(
        arguments: [SL_F32, SL_BF16],
        [
            AttentionCase.whole([200]).with(heads: (1, 3), width: 8),
            AttentionCase.whole([40, 0, 200]).with(heads: (3, 2), width: 8),
        ])
    private func `keep their bits on any thread count`(type: sl_type, test: AttentionCase) {
        var random = KernelRandom(4)
        var data = AttentionData(test, types: [sl_type](repeating: type, count: 8), &random)
        onEveryInstructionSet { name in
            var results: [[[Double]]] = []
            for threads in [1, 2, 3, 8] {
                withThreads(threads) { data.run(test) }
                results.append([data.out.values, data.dq.values, data.dk.values, data.dv.values])
            }
            #expect(results.dropFirst().allSatisfy { $0 == results[0] }, "\(name)")
        }
    }

    @Test(arguments: [SL_F32, SL_BF16])
    func `pass NaN on`(type: sl_type) {
        let test = AttentionCase.whole([12]).with(heads: (1, 1), width: 8)
        var random = KernelRandom(5)
        var data = AttentionData(test, types: [sl_type](repeating: type, count: 8), &random)
        data.k[7, 3] = .nan
        onEveryInstructionSet { name in
            data.run(test)
            #expect((7..<12).allSatisfy { data.out[$0, 0].isNaN }, "\(name)")
            #expect((0..<7).allSatisfy { data.out[$0, 0].isFinite }, "\(name): later keys are not seen")
        }
    }

    @Test func `pass NaN on in decoding`() {
        let test = AttentionCase(keyCounts: [300], positions: [[140, 299]]).with(heads: (1, 1), width: 16)
        var random = KernelRandom(5)
        let data = AttentionData(test, types: [sl_type](repeating: SL_F32, count: 8), &random)
        data.k[150, 3] = .nan
        onEveryInstructionSet { name in
            data.infer(test)
            #expect(data.out[0, 0].isFinite, "\(name): later keys are not seen")
            #expect(data.out[1, 0].isNaN, "\(name)")
        }
    }
}
