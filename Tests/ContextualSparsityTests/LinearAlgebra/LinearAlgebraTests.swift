// Factorisations against their definitions and against each other.

import ContextualSparsity
import TensorEngine
import TestSupport
import Testing

@Suite struct `Linear algebra` {
    private let backend = CPUBackend()

    private func random(_ rows: Int, _ width: Int, seed: UInt64) -> SmallMatrix {
        var random = SeededRandom(seed: seed)
        return SmallMatrix(
            rowCount: rows, width: width, values: random.floats(rows * width).map { Double($0) })
    }

    private func largestDifference(_ a: SmallMatrix, _ b: SmallMatrix) -> Double {
        precondition(a.rowCount == b.rowCount && a.width == b.width)
        return zip(a.values, b.values).map { abs($0 - $1) }.max() ?? 0
    }

    private func identity(_ size: Int) -> SmallMatrix {
        var result = SmallMatrix(zeros: size, size)
        for index in 0..<size { result[index, index] = 1 }
        return result
    }

    private func scaled(_ matrix: SmallMatrix, _ values: [Double]) -> SmallMatrix {
        var result = matrix
        for row in 0..<matrix.rowCount {
            for column in 0..<matrix.width { result[row, column] *= values[column] }
        }
        return result
    }

    /// Sizes within a block, of whole blocks, and with a ragged last one.
    @Test(arguments: [1, 5, 64, 65, 150])
    func `a Cholesky factor solves for many right-hand sides`(size: Int) throws {
        let root = random(size + 20, size, seed: 1)
        let matrix = root.transposed.times(root)
        let expected = random(size, 7, seed: 2)
        let ridge = 0.5
        var regularised = matrix
        for index in 0..<size { regularised[index, index] += ridge }
        let rightSides = regularised.times(expected).uploaded(to: backend)
        try forEachInstructionSet { set in
            let factor = try #require(
                CholeskyFactor(of: matrix.uploaded(to: backend), ridge: Float(ridge), on: backend))
            let solution = SmallMatrix(downloading: factor.solve(rightSides), from: backend)
            // The condition is below 200 here, f32 rounds to 6e-8 of the largest sums.
            #expect(largestDifference(solution, expected) < 2e-4, "\(set)")
        }
    }

    @Test func `a matrix that is not positive definite has no Cholesky factor`() {
        var matrix = identity(70)
        matrix[68, 68] = -1
        #expect(CholeskyFactor(of: matrix.uploaded(to: backend), on: backend) == nil)
        #expect(CholeskyFactor(of: matrix.uploaded(to: backend), ridge: 2, on: backend) != nil)
        matrix[68, 68] = .nan
        #expect(CholeskyFactor(of: matrix.uploaded(to: backend), ridge: 2, on: backend) == nil)
    }

    @Test(arguments: [(1, 1), (12, 5), (5, 12), (16, 16)])
    func `the Jacobi decomposition is one, with singular values in descending order`(
        rows: Int, width: Int
    ) {
        let matrix = random(rows, width, seed: 4)
        let svd = JacobiSVD(of: matrix)
        let count = min(rows, width)
        #expect(largestDifference(scaled(svd.left, svd.values).times(svd.right.transposed), matrix) < 1e-13)
        #expect(largestDifference(svd.left.transposed.times(svd.left), identity(count)) < 1e-13)
        #expect(largestDifference(svd.right.transposed.times(svd.right), identity(count)) < 1e-13)
        #expect(zip(svd.values, svd.values.dropFirst()).allSatisfy { $0 >= $1 })
    }

    @Test func `thin QR holds for independent, nearly dependent and dependent columns`() {
        let easy = random(90, 6, seed: 5)
        var near = easy
        var dependent = easy
        for row in 0..<90 {
            near[row, 3] = near[row, 1] + 1e-4 * near[row, 3]
            dependent[row, 3] = 2 * dependent[row, 1] - dependent[row, 0]
        }
        for (name, matrix) in [("easy", easy), ("near", near), ("dependent", dependent)] {
            let qr = ThinQR(matrix.uploaded(to: backend), on: backend)
            let q = SmallMatrix(downloading: qr.q, from: backend)
            #expect(largestDifference(q.times(qr.r), matrix) < 1e-5, "\(name)")
            var expected = identity(6)
            if name == "dependent" { expected[3, 3] = 0 }
            #expect(largestDifference(q.transposed.times(q), expected) < 1e-5, "\(name)")
        }
    }

    @Test(arguments: [(40, 30), (30, 40), (60, 11)])
    func `the randomised decomposition agrees with the full one`(rows: Int, width: Int) {
        let basis = JacobiSVD(of: random(rows, width, seed: 6))
        let count = min(rows, width)
        // Falling slowly, as singular values of trained weights do.
        let spectrum = (0..<count).map { 3 / Double($0 + 1).squareRoot() }
        let matrix = scaled(basis.left, spectrum).times(basis.right.transposed)
        let full = JacobiSVD(of: matrix)
        let svd = TruncatedSVD(
            of: matrix.uploaded(to: backend), rank: 4, oversampling: 6, iterations: 8, seed: 1, on: backend)
        for (value, exact) in zip(svd.values, full.values) { #expect(abs(value - exact) < 1e-3 * exact) }
        let left = SmallMatrix(downloading: svd.left, from: backend)
        let right = SmallMatrix(downloading: svd.right, from: backend)
        #expect(largestDifference(left.transposed.times(left), identity(4)) < 1e-5)
        #expect(largestDifference(right.transposed.times(right), identity(4)) < 1e-5)
        // No approximation of this rank is closer than the tail; ours is within a hair of it.
        var rest = matrix
        for (i, value) in scaled(left, svd.values).times(right.transposed).values.enumerated() {
            rest.values[i] -= value
        }
        let error = rest.values.reduce(0) { $0 + $1 * $1 }.squareRoot()
        let tail = spectrum.dropFirst(4).reduce(0) { $0 + $1 * $1 }.squareRoot()
        #expect(error < tail * 1.001 && error > tail * 0.999)
    }

    @Test func `full rank rebuilds the matrix, and a matrix of lower rank has zero values`() {
        let matrix = random(14, 3, seed: 7).times(random(3, 9, seed: 8))
        let svd = TruncatedSVD(of: matrix.uploaded(to: backend), rank: 9, on: backend)
        let left = SmallMatrix(downloading: svd.left, from: backend)
        let right = SmallMatrix(downloading: svd.right, from: backend)
        #expect(largestDifference(scaled(left, svd.values).times(right.transposed), matrix) < 1e-5)
        #expect(svd.values.dropFirst(3).allSatisfy { $0 < 1e-5 })
    }

    @Test func `a seed decides the result`() {
        let matrix = random(20, 20, seed: 9).uploaded(to: backend)
        func values(_ seed: UInt64) -> [Double] {
            TruncatedSVD(of: matrix, rank: 2, iterations: 0, seed: seed, on: backend).values
        }
        #expect(values(1) == values(1) && values(1) != values(2))
    }
}
