// Normalisation and rotary positions against plain loops in double precision.

import CKernels
import Foundation
import Testing

@Suite struct `Normalisation and rotary kernels` {
    private func normalised(_ x: ArraySlice<Double>, _ weight: [Double], epsilon: Double) -> [Double] {
        let inverse = 1 / sqrt(x.reduce(0) { $0 + $1 * $1 } / Double(x.count) + epsilon)
        return zip(x, weight).map { $0 * inverse * $1 }
    }

    @Test(arguments: [1, 7, 16, 37, 133])
    func `RMS normalisation and its gradient, on every instruction set`(width: Int) {
        var random = KernelRandom(UInt64(width))
        let rows = 3
        for offset in [Float(0), 1] {
            let (xType, yType, dxType) = (random.type(), random.type(), random.type())
            let x = KernelMatrix.random(rows, width, xType, &random)
            let dy = KernelMatrix.random(rows, width, yType, &random)
            let weight = random.floats(width)
            let scales = weight.map { Double($0 + offset) }
            let (input, gradient) = (x.values, dy.values)
            let before = (0..<rows * width).map { _ in Double(random.float()) }
            var forward: [Double] = []
            var backward: [Double] = []
            for row in 0..<rows {
                let columns = row * width..<(row + 1) * width
                forward += normalised(input[columns], scales, epsilon: 1e-3)
                backward += (0..<width).map { column in
                    slope(at: input[row * width + column]) { value in
                        var moved = input
                        moved[row * width + column] = value
                        let y = normalised(moved[columns], scales, epsilon: 1e-3)
                        return zip(y, gradient[columns]).reduce(0) { $0 + $1.0 * $1.1 }
                    }
                }
            }
            onEveryInstructionSet { name in
                let y = KernelMatrix(rows, width, yType, gap: 2),
                    dx = KernelMatrix(rows, width, dxType, gap: 1)
                var inverse = [Float](repeating: 0, count: rows)
                sl_rms_norm(
                    Int64(rows), Int64(width), x.matrix, weight, offset, 1e-3, y.matrix, &inverse)
                y.expect(forward, "\(name) forward")
                sl_rms_norm_backward(
                    Int64(rows), Int64(width), x.matrix, weight, offset, inverse, dy.matrix, dx.matrix, false)
                dx.expect(backward, tolerance: 2e-5, "\(name) backward")
                dx.fill(before)
                sl_rms_norm_backward(
                    Int64(rows), Int64(width), x.matrix, weight, offset, inverse, dy.matrix, dx.matrix, true)
                dx.expect(zip(before, backward).map { $0 + $1 }, tolerance: 2e-5, "\(name) accumulated")
                // In place of its own gradient.
                let shared = KernelMatrix(rows, width, yType)
                shared.fill(gradient)
                sl_rms_norm_backward(
                    Int64(rows), Int64(width), x.matrix, weight, offset, inverse, shared.matrix,
                    shared.matrix,
                    false)
                shared.expect(backward, tolerance: 2e-5, "\(name) in place")
            }
        }
    }

    @Test(arguments: [(16, 16), (12, 12), (64, 64), (20, 8), (6, 2), (70, 70)])
    func `rotary positions turn pairs, and turn them back`(headWidth: Int, rotaryWidth: Int) {
        var random = KernelRandom(UInt64(headWidth))
        let (rows, heads, half) = (5, 3, rotaryWidth / 2)
        let angles = (0..<9 * half).map { _ in Double(random.float()) }
        let cosines = angles.map { Float(cos($0)) }, sines = angles.map { Float(sin($0)) }
        let positions: [Int32] = [0, 8, 3, 3, 1]
        for type in [SL_F32, SL_BF16] {
            let original = KernelMatrix.random(rows, heads * headWidth, type, &random).values
            var expected = original
            for row in 0..<rows {
                for head in 0..<heads {
                    for pair in 0..<half {
                        let angle = angles[Int(positions[row]) * half + pair]
                        let first = row * heads * headWidth + head * headWidth + pair
                        expected[first] = original[first] * cos(angle) - original[first + half] * sin(angle)
                        expected[first + half] =
                            original[first + half] * cos(angle) + original[first] * sin(angle)
                    }
                }
            }
            onEveryInstructionSet { name in
                let x = KernelMatrix(rows, heads * headWidth, type, gap: 3)
                x.fill(original)
                func rotate(_ direction: Float) {
                    sl_rotary(
                        Int64(rows), Int64(heads), Int64(headWidth), Int64(rotaryWidth), x.matrix, positions,
                        cosines,
                        sines, direction)
                }
                rotate(1)
                x.expect(expected, "\(name) rotated")
                rotate(-1)
                x.expect(original, tolerance: type == SL_BF16 ? 0.03 : 4e-6, "\(name) rotated back")
            }
        }
    }
}
