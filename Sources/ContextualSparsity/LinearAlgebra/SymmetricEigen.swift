// Eigenvalues and eigenvectors of small symmetric matrices by Jacobi's rotations.

/// A = V diag(values) V^T.
package struct SymmetricEigen {
    /// Descending.
    package let values: [Double]
    /// V: column i belongs to value i.
    package let vectors: SmallMatrix

    /// Cyclic Jacobi in double precision: accurate to the last digits, and quick enough up to a few hundred rows.
    ///
    /// - Parameter matrix: symmetric and finite; its two triangles are averaged.
    package init(of matrix: SmallMatrix) {
        let size = matrix.width
        precondition(
            matrix.rowCount == size && matrix.values.allSatisfy(\.isFinite),
            "SymmetricEigen: a [\(matrix.rowCount), \(size)] matrix that must be square and finite")
        var a = matrix
        for row in 0..<size {
            for column in 0..<row {
                let mean = (matrix[row, column] + matrix[column, row]) / 2
                a[row, column] = mean
                a[column, row] = mean
            }
        }
        // Row i holds vector i while rotations run, so that a rotation touches two contiguous rows.
        var vectors = SmallMatrix(zeros: size, size)
        for index in 0..<size { vectors[index, index] = 1 }
        let scale = a.values.reduce(0) { $0 + $1 * $1 }.squareRoot()
        // Jacobi converges quadratically: 6 to 10 sweeps in practice; the bound stops a wrong assumption from looping.
        for _ in 0..<60 where Self.sweep(&a, &vectors, negligible: scale * 1e-17) == false { break }
        let order = (0..<size).sorted { a[$0, $0] == a[$1, $1] ? $0 < $1 : a[$0, $0] > a[$1, $1] }
        values = order.map { a[$0, $0] }
        self.vectors = vectors.transposed.columns(order)
    }

    /// Rotates every pair once; false when there was nothing left to rotate.
    private static func sweep(
        _ a: inout SmallMatrix, _ vectors: inout SmallMatrix, negligible: Double
    ) -> Bool {
        let size = a.width
        var hasRotated = false
        for p in 0..<size {
            for q in p + 1..<max(size, p + 1) {
                let off = a[p, q]
                guard abs(off) > negligible else { continue }
                hasRotated = true
                let angle = (a[q, q] - a[p, p]) / (2 * off)
                let tangent = (angle < 0 ? -1 : 1) / (abs(angle) + (1 + angle * angle).squareRoot())
                let cosine = 1 / (1 + tangent * tangent).squareRoot()
                let sine = tangent * cosine
                rotateRows(&a, p, q, cosine, sine)
                rotateRows(&vectors, p, q, cosine, sine)
                for row in 0..<size {
                    let (x, y) = (a[row, p], a[row, q])
                    a[row, p] = cosine * x - sine * y
                    a[row, q] = sine * x + cosine * y
                }
            }
        }
        return hasRotated
    }

    private static func rotateRows(
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
