// The matrix product on random shapes, types, index arrays and strides against plain loops in double precision.

import CKernels
import Testing

/// An operand with the memory behind it.
private final class TestOperand {
    private let matrix: KernelMatrix
    private let isTransposed: Bool
    private let outer: [Int32]?, inner: [Int32]?
    private let rounds: Bool

    init(_ outerCount: Int, _ depth: Int, _ random: inout KernelRandom) {
        let outerSize = outerCount + random.int(4), depthSize = max(1, depth + random.int(6))
        isTransposed = random.bool()
        matrix = .random(
            isTransposed ? depthSize : outerSize, isTransposed ? outerSize : depthSize, random.type(), &random
        )
        outer = random.int(3) == 0 ? random.indices(outerCount, below: outerSize) : nil
        inner = random.int(3) == 0 ? random.indices(depth, below: depthSize) : nil
        rounds = random.bool()
    }

    func withOperand(_ body: (sl_operand) -> Void) {
        outer.withPointer { outer in
            inner.withPointer { inner in
                let stride = Int64(matrix.stride)
                body(
                    sl_operand(
                        data: matrix.matrix.data, type: matrix.type, outer_stride: isTransposed ? 1 : stride,
                        depth_stride: isTransposed ? stride : 1, outer_index: outer, depth_index: inner,
                        rounds: rounds))
            }
        }
    }

    func values(_ outerCount: Int, _ depth: Int) -> [Double] {
        (0..<outerCount).flatMap { o in
            (0..<depth).map { d in
                let (row, column) = (outer.map { Int($0[o]) } ?? o, inner.map { Int($0[d]) } ?? d)
                return Double(isTransposed ? matrix[column, row] : matrix[row, column])
            }
        }
    }
}

extension [Int32]? {
    fileprivate func withPointer(_ body: (UnsafePointer<Int32>?) -> Void) {
        guard let self else { return body(nil) }
        self.withUnsafeBufferPointer { body($0.baseAddress) }
    }
}

@Suite struct `Matrix product` {
    /// From 24 on few rows and a great depth, as in decoding; from 40 on so many rows that threads share packed panels; from
    /// 48 on products that may be computed the other way round.
    @Test(arguments: 0..<72)
    func `agrees with plain loops for any shape, type and selection`(seed: UInt64) {
        var random = KernelRandom(seed)
        let isDecoding = (24..<40).contains(seed)
        let isTurned = seed >= 48
        let rows =
            isTurned
            ? 28 + random.int(250)
            : (seed >= 40 ? 513 : 1) + random.int(isDecoding ? 4 : seed % 5 == 0 ? 40 : 15)
        let columns = 1 + random.int(seed % 7 == 0 ? 70 : 20)
        let products = (0..<1 + (isTurned ? 0 : random.int(3))).map { _ in
            let depth = random.int(isDecoding ? 700 : seed % 6 == 0 ? 420 : 30)
            let left = TestOperand(rows, depth, &random), right = TestOperand(columns, depth, &random)
            return (left: left, right: right, depth: depth, scale: random.bool() ? Float(1) : 0.5)
        }
        let bias = !isTurned && random.bool() ? random.floats(columns) : nil
        let accumulate = random.bool()
        let outputType = random.type()
        let (height, width) = (rows + random.int(3), columns + random.int(3))
        let rowIndex = !isTurned && random.int(3) == 0 ? random.indices(rows, below: height) : nil
        let columnIndex =
            !isTurned && random.int(3) == 0 ? random.indices(columns, below: width) : nil
        let before = KernelMatrix.random(height, width, outputType, &random).values

        var expected = before
        let operands = products.map { ($0.left.values(rows, $0.depth), $0.right.values(columns, $0.depth)) }
        for row in 0..<rows {
            for column in 0..<columns {
                let at =
                    (rowIndex.map { Int($0[row]) } ?? row) * width
                    + (columnIndex.map { Int($0[column]) } ?? column)
                var sum = (accumulate ? before[at] : 0) + Double(bias?[column] ?? 0)
                for (product, (left, right)) in zip(products, operands) {
                    for d in 0..<product.depth {
                        sum +=
                            Double(product.scale) * left[row * product.depth + d]
                            * right[column * product.depth + d]
                    }
                }
                expected[at] = sum
            }
        }

        onEveryInstructionSet { name in
            var results: [[Double]] = []
            for threads in 1...3 {
                let output = KernelMatrix(height, width, outputType, gap: 2)
                output.fill(before)
                withThreads(threads) {
                    call(products[...], []) { products in
                        rowIndex.withPointer { rowIndex in
                            columnIndex.withPointer { columnIndex in
                                (bias ?? [0]).withUnsafeBufferPointer { biasPointer in
                                    var target = sl_output(
                                        data: output.matrix.data, type: outputType,
                                        stride: Int64(output.stride),
                                        row_index: rowIndex, column_index: columnIndex,
                                        bias: bias == nil ? nil : biasPointer.baseAddress,
                                        accumulate: accumulate)
                                    sl_gemm(
                                        Int64(rows), Int64(columns), products, Int32(products.count), &target)
                                }
                            }
                        }
                    }
                }
                output.expect(expected, tolerance: 1e-4, "\(name), \(threads) threads, seed \(seed)")
                results.append(output.values)
            }
            #expect(results[0] == results[1] && results[0] == results[2], "\(name), seed \(seed)")
        }
    }

    /// Sums of equal terms, which come out exactly.
    @Test func `panels of which not all are packed at once`() {
        let (rows, columns, depth) = (530, 700, 4096)
        let left = (0..<rows).flatMap { Array(repeating: Float($0 % 7), count: depth) }
        let right = (0..<columns).flatMap { Array(repeating: Float($0 % 5), count: depth) }
        let expected = (0..<rows * columns).map { Double(depth * ($0 / columns % 7) * ($0 % columns % 5)) }
        let output = KernelMatrix(rows, columns, SL_F32)
        left.withUnsafeBufferPointer { left in
            right.withUnsafeBufferPointer { right in
                func operand(_ data: UnsafeRawPointer?) -> sl_operand {
                    sl_operand(
                        data: data, type: SL_F32, outer_stride: Int64(depth), depth_stride: 1,
                        outer_index: nil, depth_index: nil, rounds: false)
                }
                let product = sl_product(
                    left: operand(left.baseAddress), right: operand(right.baseAddress), depth: Int64(depth),
                    scale: 1)
                var target = sl_output()
                target.data = output.matrix.data
                target.type = SL_F32
                target.stride = Int64(columns)
                withThreads(2) {
                    withUnsafePointer(to: product) {
                        sl_gemm(Int64(rows), Int64(columns), $0, 1, &target)
                    }
                }
            }
        }
        output.expect(expected, tolerance: 0, "two blocks of panels")
    }

    /// Values between those that bf16 holds, in as many rows as a prompt has.
    @Test func `an f32 left operand keeps its digits beside a bf16 right one unless it rounds`() {
        var random = KernelRandom(1)
        let (rows, columns, depth) = (20, 9, 64)
        let left = (0..<rows * depth).map { _ in random.float() * 1.001 }
        let right = (0..<columns * depth).map { _ in bf16Bits(random.float()) }
        func expected(_ left: [Float]) -> [Double] {
            (0..<rows * columns).map { at in
                (0..<depth).reduce(0) { sum, d in
                    let weight = float(right[at % columns * depth + d])
                    return sum + Double(left[at / columns * depth + d]) * Double(weight)
                }
            }
        }
        let exact = expected(left), rounded = expected(left.map { float(bf16Bits($0)) })
        #expect(zip(exact, rounded).contains { abs($0 - $1) > 0.01 })
        onEveryInstructionSet { name in
            for rounds in [false, true] {
                let output = KernelMatrix(rows, columns, SL_F32)
                left.withUnsafeBufferPointer { left in
                    right.withUnsafeBufferPointer { right in
                        func operand(_ data: UnsafeRawPointer?, _ type: sl_type) -> sl_operand {
                            sl_operand(
                                data: data, type: type, outer_stride: Int64(depth), depth_stride: 1,
                                outer_index: nil, depth_index: nil, rounds: rounds)
                        }
                        let product = sl_product(
                            left: operand(left.baseAddress, SL_F32),
                            right: operand(right.baseAddress, SL_BF16), depth: Int64(depth), scale: 1)
                        var target = sl_output()
                        target.data = output.matrix.data
                        target.type = SL_F32
                        target.stride = Int64(columns)
                        withUnsafePointer(to: product) {
                            sl_gemm(Int64(rows), Int64(columns), $0, 1, &target)
                        }
                    }
                }
                let hasDotProduct = name.contains("bf16")
                output.expect(
                    rounds && hasDotProduct ? rounded : exact, tolerance: 2e-5, "\(name), rounds \(rounds)")
            }
        }
    }

    /// More than are joined at once; a few rows, and as many as a prompt has; weights stored either way round.
    @Test(arguments: 0..<6) func `products together are the same as alone, to the bit`(seed: UInt64) {
        var random = KernelRandom(seed)
        let rows = [1, 4, 30][random.int(3)]
        let depth = 40 + random.int(300)
        let left = KernelMatrix.random(rows, depth, SL_F32, &random)
        let weights = (0..<11).map { _ in
            let isTransposed = random.int(4) == 0, columns = 1 + random.int(200), type = random.type()
            let matrix = KernelMatrix.random(
                isTransposed ? depth : columns, isTransposed ? columns : depth, type, &random)
            return (matrix: matrix, isTransposed: isTransposed, columns: columns)
        }
        func operand(_ matrix: KernelMatrix, isTransposed: Bool = false) -> sl_operand {
            let stride = Int64(matrix.stride)
            return sl_operand(
                data: matrix.matrix.data, type: matrix.type, outer_stride: isTransposed ? 1 : stride,
                depth_stride: isTransposed ? stride : 1, outer_index: nil, depth_index: nil, rounds: false)
        }
        let products = weights.map {
            sl_product(
                left: operand(left), right: operand($0.matrix, isTransposed: $0.isTransposed),
                depth: Int64(depth), scale: 1)
        }
        func outputs() -> (matrices: [KernelMatrix], targets: [sl_output]) {
            let matrices = weights.map { KernelMatrix(rows, $0.columns, SL_F32, gap: 3) }
            let targets = matrices.map { matrix in
                var target = sl_output()
                (target.data, target.type, target.stride) = (
                    matrix.matrix.data, SL_F32, Int64(matrix.stride)
                )
                return target
            }
            return (matrices, targets)
        }
        onEveryInstructionSet { name in
            let alone = outputs(), joined = outputs()
            products.withUnsafeBufferPointer { products in
                for (number, weight) in weights.enumerated() {
                    withUnsafePointer(to: alone.targets[number]) {
                        sl_gemm(Int64(rows), Int64(weight.columns), products.baseAddress! + number, 1, $0)
                    }
                }
                joined.targets.withUnsafeBufferPointer { targets in
                    let calls = weights.indices.map { number in
                        sl_gemm_call(
                            rows: Int64(rows), columns: Int64(weights[number].columns),
                            products: products.baseAddress! + number, product_count: 1,
                            output: targets.baseAddress! + number)
                    }
                    withThreads(3) { sl_gemm_together(calls, Int32(calls.count)) }
                }
            }
            #expect(joined.matrices.map(\.values) == alone.matrices.map(\.values), "\(name), seed \(seed)")
        }
    }

    /// Hands over the products with all their operands' index arrays in place.
    private func call(
        _ rest: ArraySlice<(left: TestOperand, right: TestOperand, depth: Int, scale: Float)>,
        _ done: [sl_product],
        _ body: ([sl_product]) -> Void
    ) {
        guard let first = rest.first else { return body(done) }
        first.left.withOperand { left in
            first.right.withOperand { right in
                let product = sl_product(
                    left: left, right: right, depth: Int64(first.depth), scale: first.scale)
                call(rest.dropFirst(), done + [product], body)
            }
        }
    }
}
