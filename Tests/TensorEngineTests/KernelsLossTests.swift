// Cross-entropy, AdamW and the reductions against plain loops in double precision.

import CKernels
import Foundation
import Testing

@Suite struct `Loss and optimiser kernels` {
    private func loss(_ logits: ArraySlice<Double>, _ label: Int, softcap: Double) -> Double {
        let z = logits.map { softcap > 0 ? softcap * tanh($0 / softcap) : $0 }
        let largest = z.reduce(-Double.infinity, max)
        return largest + log(z.reduce(0) { $0 + exp($1 - largest) }) - z[label]
    }

    @Test(arguments: [1, 5, 48, 1203], [Float(0), 3])
    func `cross-entropy and its gradient`(classes: Int, softcap: Float) {
        var random = KernelRandom(UInt64(classes))
        let rows = 3
        for (type, gradientType) in [
            (SL_F32, SL_F32), (SL_BF16, SL_BF16), (SL_F32, SL_BF16), (SL_BF16, SL_F32),
        ] {
            let logits = KernelMatrix.random(rows, classes, type, &random)
            let labels = [Int32(random.int(classes)), -1, Int32(classes - 1)]
            logits[2, classes - 1] = 9  // the one row whose label is surely the largest
            let z = logits.values
            var losses: [Double] = []
            for (row, label) in labels.enumerated() {
                let columns = row * classes..<(row + 1) * classes
                losses.append(label < 0 ? 0 : loss(z[columns], Int(label), softcap: Double(softcap)))
            }
            // Differences at a sample of the columns, the label among them.
            var sampled: [(at: Int, value: Double)] = []
            for (row, label) in labels.enumerated() where label >= 0 {
                let columns = row * classes..<(row + 1) * classes
                for column in [Int(label)] + (0..<min(classes, 6)).map({ _ in random.int(classes) }) {
                    let at = row * classes + column
                    let difference = slope(at: z[at]) { value in
                        var moved = z
                        moved[at] = value
                        return loss(moved[columns], Int(label), softcap: Double(softcap))
                    }
                    sampled.append((at, 0.5 * difference))
                }
            }
            onEveryInstructionSet { name in
                let gradient = KernelMatrix(rows, classes, gradientType, gap: 2)
                var actual = [Float](repeating: 7, count: rows)
                var correct = [UInt8](repeating: 7, count: rows)
                sl_softmax_cross_entropy(
                    Int64(rows), Int64(classes), logits.matrix, labels, softcap, 0.5, &actual, &correct,
                    gradient.matrix)
                #expect(gradient.gapsAreUntouched)
                for row in 0..<rows { #expect(abs(Double(actual[row]) - losses[row]) < 1e-5, "\(name) loss") }
                #expect(correct[1] == 0 && correct[2] == 1)
                let values = gradient.values
                for (at, value) in sampled {
                    let allowed = 2e-6 + (gradientType == SL_BF16 ? abs(value) / 256 : 0)
                    #expect(abs(values[at] - value) < allowed, "\(name) gradient at \(at)")
                }
                #expect(values[classes..<2 * classes].allSatisfy { $0 == 0 })
                var alone = [Float](repeating: 7, count: rows)
                sl_softmax_cross_entropy(
                    Int64(rows), Int64(classes), logits.matrix, labels, softcap, 0.5, &alone, nil, sl_matrix()
                )
                #expect(alone == actual)
            }
        }
    }

    @Test func `the gradient may lie over the logits, in f32 and narrower in bf16`() {
        let (rows, classes) = (2, 531)
        var random = KernelRandom(3)
        let original = KernelMatrix.random(rows, classes, SL_F32, &random).values
        let labels: [Int32] = [530, 17]
        onEveryInstructionSet { name in
            for type in [SL_F32, SL_BF16] {
                let apart = KernelMatrix(rows, classes, type), together = KernelMatrix(rows, classes, SL_F32)
                together.fill(original)
                var losses = [Float](repeating: 0, count: rows)
                sl_softmax_cross_entropy(
                    Int64(rows), Int64(classes), together.matrix, labels, 0, 1, &losses, nil, apart.matrix)
                var over = together.matrix
                over.type = type
                if type == SL_BF16 { over.stride *= 2 }
                sl_softmax_cross_entropy(
                    Int64(rows), Int64(classes), together.matrix, labels, 0, 1, &losses, nil, over)
                let copy = KernelMatrix(rows, classes, type)
                sl_scale(Int64(rows), Int64(classes), 1, over, copy.matrix)
                #expect(copy.values == apart.values, "\(name)")
            }
        }
    }

    @Test func `NaN and infinite logits give NaN losses, masked classes do not`() {
        onEveryInstructionSet { name in
            for (bad, isNaN) in [(Float.nan, true), (.infinity, true), (-.infinity, false)] {
                for column in [0, 8, 36] {
                    let logits = KernelMatrix(1, 37, SL_F32)
                    logits.fill([Double](repeating: 0.5, count: 37))
                    logits[0, column] = bad
                    var loss: Float = 0
                    let labels: [Int32] = [5]
                    sl_softmax_cross_entropy(1, 37, logits.matrix, labels, 0, 1, &loss, nil, sl_matrix())
                    #expect(loss.isNaN == isNaN, "\(name) \(bad) in column \(column)")
                }
            }
            let logits = KernelMatrix(1, 4, SL_F32)
            logits.fill([1, 3, 3, 0])
            var loss: Float = 0
            for (label, isCorrect) in [(Int32(1), UInt8(1)), (2, 0)] {
                var correct: UInt8 = 9
                sl_softmax_cross_entropy(1, 4, logits.matrix, [label], 0, 1, &loss, &correct, sl_matrix())
                #expect(correct == isCorrect, "\(name): the lowest index wins a tie")
            }
        }
    }

    @Test(arguments: [1, 19, 5000])
    func `AdamW steps as written`(count: Int) {
        var random = KernelRandom(UInt64(count))
        let parameter = random.floats(count), gradient = random.floats(count), first = random.floats(count)
        let second = random.floats(count).map(abs)
        var settings = sl_adamw_settings(
            learning_rate: 0.01, beta1: 0.75, beta2: 0.96875, epsilon: 1e-3, weight_decay: 0.1,
            bias_correction1: 0.4, bias_correction2: 0.1, gradient_scale: 0.5)
        onEveryInstructionSet { name in
            var (p, m, v) = (parameter, first, second)
            sl_adamw(Int64(count), &p, gradient, &m, &v, &settings)
            for i in 0..<count {
                let g = 0.5 * Double(gradient[i])
                let mean = 0.75 * Double(first[i]) + 0.25 * g
                let square = 0.96875 * Double(second[i]) + 0.03125 * g * g
                let step = mean / 0.4 / (sqrt(square / 0.1) + 1e-3) + 0.1 * Double(parameter[i])
                let isClose =
                    abs(Double(m[i]) - mean) < 1e-6 && abs(Double(v[i]) - square) < 1e-6
                    && abs(Double(p[i]) - (Double(parameter[i]) - 0.01 * step)) < 2e-6
                if !isClose { Issue.record("\(name): element \(i) of \(count)") }
            }
        }
    }

    @Test func `sums of squares keep their bits on any thread count and carry NaN and infinity`() {
        var random = KernelRandom(5)
        for count in [0, 1, 33, 70_001] {
            var x = random.floats(count)
            let expected = x.reduce(0.0) { $0 + Double($1) * Double($1) }
            onEveryInstructionSet { name in
                let sums = (1...3).map { threads in
                    withThreads(threads) { sl_sum_of_squares(Int64(count), x) }
                }
                #expect(sums[0] == sums[1] && sums[0] == sums[2])
                #expect(abs(sums[0] - expected) <= 1e-12 * expected, "\(name)")
                guard count > 0 else { return }
                let saved = x[count / 2]
                x[count / 2] = .nan
                #expect(sl_sum_of_squares(Int64(count), x).isNaN)
                x[count / 2] = -.infinity
                #expect(sl_sum_of_squares(Int64(count), x) == .infinity)
                // Squares beyond the largest f32 are not infinite in double.
                x[count / 2] = 1e30
                #expect(sl_sum_of_squares(Int64(count), x).isFinite)
                x[count / 2] = saved
            }
        }
    }

    @Test func `the largest value is found at its lowest index`() {
        onEveryInstructionSet { name in
            for count in [1, 7, 8, 33] {
                for best in 0..<count {
                    var x = [Float](repeating: -3, count: count)
                    x[best] = 2
                    x[count - 1] = 2
                    #expect(sl_argmax(Int64(count), x) == Int64(best), "\(name)")
                    if best > 0 {
                        x[0] = .nan
                        #expect(sl_argmax(Int64(count), x) == Int64(best), "\(name): NaN is not the largest")
                    }
                }
            }
        }
    }
}
