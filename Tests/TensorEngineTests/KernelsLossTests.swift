// Cross-entropy, AdamW and the reductions against plain loops in double precision.

import CKernels
import Foundation
import Testing

@Suite struct `Loss and optimiser kernels` {
    /// Logits, the head that they came from as far as gradients go, and labels.
    private struct LossCase {
        let logits, head: KernelMatrix
        let labels: [Int32]
        var softcap: Float = 0

        /// Loss of each row, and d(scale * loss)/dhidden.
        func expected(scale: Double) -> (losses: [Double], gradient: [Double]) {
            let classes = logits.width, all = logits.values, weights = head.values
            var losses: [Double] = [], gradient: [Double] = []
            for (row, label) in labels.enumerated() {
                let raw = all[row * classes..<(row + 1) * classes]
                let z = raw.map { softcap > 0 ? Double(softcap) * tanh($0 / Double(softcap)) : $0 }
                let largest = z.reduce(-.infinity, max)
                let sum = z.reduce(0) { $0 + exp($1 - largest) }
                losses.append(label < 0 ? 0 : largest + log(sum) - z[Int(label)])
                var slopes = [Double](repeating: 0, count: head.width)
                for (word, value) in z.enumerated() where label >= 0 {
                    let probability = exp(value - largest) / sum - (word == Int(label) ? 1 : 0)
                    let rise = softcap > 0 ? 1 - pow(value / Double(softcap), 2) : 1
                    for d in slopes.indices {
                        slopes[d] += scale * probability * rise * weights[word * head.width + d]
                    }
                }
                gradient += slopes
            }
            return (losses, gradient)
        }

        /// Block after block, as the operation does it.
        func run(columnsAtOnce: Int, scale: Float, gradient: KernelMatrix?) -> [Float] {
            let (rows, classes, width) = (logits.rows, logits.width, head.width)
            let sums = KernelMatrix(rows, width, SL_F32, gap: 1)
            sums.fill([Double](repeating: .nan, count: rows * width))
            var state = [Float](repeating: .nan, count: rows * Int(SL_LOSS_STATE))
            var losses = [Float](repeating: 7, count: rows)
            let target = gradient == nil ? sl_matrix() : sums.matrix
            for first in stride(from: 0, to: classes, by: columnsAtOnce) {
                let count = min(columnsAtOnce, classes - first)
                let block = KernelMatrix(rows, count, SL_F32, gap: 1)
                block.fill((0..<rows * count).map { Double(logits[$0 / count, first + $0 % count]) })
                sl_cross_entropy_block(
                    Int64(rows), Int64(count), Int64(first), block.matrix, labels, softcap, &state,
                    Int64(width), target)
                guard gradient != nil else { continue }
                #expect(block.gapsAreUntouched)
                for row in 0..<rows {
                    for d in 0..<width {
                        for word in 0..<count { sums[row, d] += block[row, word] * head[first + word, d] }
                    }
                }
            }
            sl_cross_entropy_end(
                Int64(rows), labels, state, &losses, Int64(width), target, head.matrix, scale,
                gradient?.matrix ?? sl_matrix())
            return losses
        }
    }

    @Test(arguments: [1, 5, 48, 1203], [Float(0), 3])
    func `cross-entropy and its gradient`(classes: Int, softcap: Float) {
        var random = KernelRandom(UInt64(classes))
        for (headType, type) in [
            (SL_F32, SL_F32), (SL_BF16, SL_BF16), (SL_F32, SL_BF16), (SL_BF16, SL_F32),
        ] {
            let logits = KernelMatrix.random(3, classes, SL_F32, &random)
            logits[2, classes - 1] = 9  // a larger one in the last block
            let test = LossCase(
                logits: logits, head: .random(classes, 11, headType, &random),
                labels: [Int32(random.int(classes)), -1, Int32(classes - 1)], softcap: softcap)
            let expected = test.expected(scale: 0.5)
            onEveryInstructionSet { name in
                for columnsAtOnce in [classes, 17, 1 + classes / 3] {
                    let gradient = KernelMatrix(3, 11, type, gap: 2)
                    let losses = test.run(columnsAtOnce: columnsAtOnce, scale: 0.5, gradient: gradient)
                    for (loss, value) in zip(losses, expected.losses) {
                        #expect(abs(Double(loss) - value) < 1e-5, "\(name) loss, \(columnsAtOnce) at once")
                    }
                    gradient.expect(expected.gradient, tolerance: 1e-5, "\(name), \(columnsAtOnce) at once")
                    #expect(
                        test.run(columnsAtOnce: columnsAtOnce, scale: 0.5, gradient: nil) == losses, "\(name)"
                    )
                }
            }
        }
    }

    @Test func `NaN and infinite logits give NaN losses, masked classes do not`() {
        onEveryInstructionSet { name in
            for (bad, isNaN) in [(Float.nan, true), (.infinity, true), (-.infinity, false)] {
                for (column, columnsAtOnce) in [(0, 37), (8, 37), (36, 37), (0, 10), (19, 10), (36, 10)] {
                    let logits = KernelMatrix(1, 37, SL_F32), head = KernelMatrix(37, 1, SL_F32)
                    logits.fill([Double](repeating: 0.5, count: 37))
                    logits[0, column] = bad
                    let loss = LossCase(logits: logits, head: head, labels: [5])
                        .run(columnsAtOnce: columnsAtOnce, scale: 1, gradient: nil)[0]
                    #expect(loss.isNaN == isNaN, "\(name) \(bad) in column \(column)")
                }
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
