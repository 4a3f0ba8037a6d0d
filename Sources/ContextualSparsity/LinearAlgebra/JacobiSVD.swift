// The full singular value decomposition of small matrices by one-sided Jacobi rotations.

/// A [m, n] = U diag(values) V^T with k = min(m, n) values.
package struct JacobiSVD {
    /// U [m, k]; a column whose value is zero is zero.
    package let left: SmallMatrix
    /// Descending, never negative.
    package let values: [Double]
    /// V [n, k]
    package let right: SmallMatrix

    /// Hestenes' method in double precision: columns are rotated against each other until all are orthogonal, which
    /// finds small singular values to high relative accuracy.
    package init(of matrix: SmallMatrix) {
        precondition(matrix.values.allSatisfy(\.isFinite), "JacobiSVD: the matrix must be finite")
        guard matrix.rowCount >= matrix.width else {
            let other = JacobiSVD(of: matrix.transposed)
            (left, values, right) = (other.right, other.values, other.left)
            return
        }
        let (count, length) = (matrix.width, matrix.rowCount)
        // Row i holds column i of A V.
        var columns = matrix.transposed
        var vectors = SmallMatrix(zeros: count, count)
        for index in 0..<count { vectors[index, index] = 1 }
        for _ in 0..<60 {
            var hasRotated = false
            for p in 0..<count {
                for q in p + 1..<max(count, p + 1) {
                    let (pp, qq, pq) = Self.products(columns, p, q, length)
                    guard abs(pq) > 1e-15 * (pp * qq).squareRoot() else { continue }
                    hasRotated = true
                    let angle = (qq - pp) / (2 * pq)
                    let tangent = (angle < 0 ? -1 : 1) / (abs(angle) + (1 + angle * angle).squareRoot())
                    let cosine = 1 / (1 + tangent * tangent).squareRoot()
                    Self.rotate(&columns, p, q, cosine, tangent * cosine)
                    Self.rotate(&vectors, p, q, cosine, tangent * cosine)
                }
            }
            if !hasRotated { break }
        }
        let norms = (0..<count).map { Self.products(columns, $0, $0, length).pp.squareRoot() }
        let order = (0..<count).sorted { norms[$0] == norms[$1] ? $0 < $1 : norms[$0] > norms[$1] }
        for row in 0..<count where norms[row] > 0 {
            for column in 0..<length { columns[row, column] /= norms[row] }
        }
        left = columns.transposed.columns(order)
        values = order.map { norms[$0] }
        right = vectors.transposed.columns(order)
    }

    private static func products(
        _ m: SmallMatrix, _ p: Int, _ q: Int, _ length: Int
    ) -> (pp: Double, qq: Double, pq: Double) {
        m.values.withUnsafeBufferPointer { values in
            var (pp, qq, pq) = (0.0, 0.0, 0.0)
            for column in 0..<length {
                let (x, y) = (values[p * length + column], values[q * length + column])
                pp += x * x
                qq += y * y
                pq += x * y
            }
            return (pp, qq, pq)
        }
    }

    private static func rotate(
        _ m: inout SmallMatrix, _ p: Int, _ q: Int, _ cosine: Double, _ sine: Double
    ) {
        let width = m.width
        m.values.withUnsafeMutableBufferPointer { values in
            for column in 0..<width {
                let (x, y) = (values[p * width + column], values[q * width + column])
                values[p * width + column] = cosine * x - sine * y
                values[q * width + column] = sine * x + cosine * y
            }
        }
    }
}
