// Linear systems with a symmetric positive definite matrix: statistics of inputs, regularised.
//
// Right-looking and blocked: blocks of the diagonal are factored and inverted on the host in double precision, and
// everything else, n^3 / 3 of it and all of the solve, is products on the device.

package import TensorEngine

/// L with L L^T = A + ridge I, ready to solve for many right-hand sides.
package struct CholeskyFactor {
    private static let blockWidth = 64

    private struct Block {
        var rows: Range<Int>
        /// The inverse of L's diagonal block.
        var inverse: Tensor
        /// L below the diagonal block, [n - rows.upperBound, rows.count]; nil in the last one.
        var below: Tensor?
    }

    private let blocks: [Block]
    private let size: Int
    private let backend: any Backend

    /// Factors a matrix, or returns nil when it is not positive definite in f32: a larger ridge then helps.
    ///
    /// - Parameters:
    ///   - matrix: [n, n], symmetric; left as it is.
    ///   - ridge: added to the diagonal.
    package init?(of matrix: Tensor, ridge: Float = 0, on backend: any Backend) {
        let size = matrix.rowCount
        precondition(size == matrix.width && size > 0, "CholeskyFactor: \(matrix.shapeDescription)")
        let work = backend.makeTensor(rowCount: size, width: size, type: .float32)
        backend.copy(matrix, scale: 1, into: work)
        var blocks: [Block] = []
        for start in stride(from: 0, to: size, by: Self.blockWidth) {
            let end = min(start + Self.blockWidth, size)
            var diagonal = SmallMatrix(
                downloading: work.rows(start..<end).columns(start..<end), from: backend)
            for index in 0..<end - start { diagonal[index, index] += Double(ridge) }
            guard let factor = diagonal.choleskyFactor() else { return nil }
            let inverse = factor.lowerInverse().uploaded(to: backend)
            guard end < size else {
                blocks.append(Block(rows: start..<end, inverse: inverse, below: nil))
                break
            }
            let below = backend.makeTensor(rowCount: size - end, width: end - start, type: .float32)
            backend.multiply(
                [
                    MatrixProduct(
                        MatrixOperand(work.rows(end..<size).columns(start..<end)), MatrixOperand(inverse))
                ],
                into: MatrixOutput(below))
            backend.multiply(
                [MatrixProduct(MatrixOperand(below), MatrixOperand(below), scale: -1)],
                into: MatrixOutput(work.rows(end..<size).columns(end..<size), accumulates: true))
            blocks.append(Block(rows: start..<end, inverse: inverse, below: below))
        }
        self.blocks = blocks
        self.size = size
        self.backend = backend
    }

    /// X [n, m] with (A + ridge I) X = B.
    ///
    /// - Parameter rightSides: B [n, m]; left as it is.
    package func solve(_ rightSides: Tensor) -> Tensor {
        precondition(
            rightSides.rowCount == size, "solve: \(rightSides.shapeDescription) for a matrix of \(size)")
        let solution = backend.makeTensor(rowCount: size, width: rightSides.width, type: .float32)
        backend.copy(rightSides, scale: 1, into: solution)
        for block in blocks {
            let rows = solution.rows(block.rows)
            replace(rows, byProductWith: MatrixOperand(block.inverse))
            if let below = block.below {
                subtract(
                    MatrixOperand(below), times: rows, from: solution.rows(block.rows.upperBound..<size))
            }
        }
        for block in blocks.reversed() {
            let rows = solution.rows(block.rows)
            if let below = block.below {
                subtract(
                    MatrixOperand(below, transposed: true),
                    times: solution.rows(block.rows.upperBound..<size), from: rows)
            }
            replace(rows, byProductWith: MatrixOperand(block.inverse, transposed: true))
        }
        return solution
    }

    private func replace(_ rows: Tensor, byProductWith left: MatrixOperand) {
        let result = backend.makeTensor(rowCount: rows.rowCount, width: rows.width, type: .float32)
        backend.multiply(
            [MatrixProduct(left, MatrixOperand(rows, transposed: true))], into: MatrixOutput(result))
        backend.copy(result, scale: 1, into: rows)
    }

    private func subtract(_ left: MatrixOperand, times right: Tensor, from target: Tensor) {
        backend.multiply(
            [MatrixProduct(left, MatrixOperand(right, transposed: true), scale: -1)],
            into: MatrixOutput(target, accumulates: true))
    }
}
