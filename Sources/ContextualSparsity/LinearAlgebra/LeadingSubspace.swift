// The directions in which a symmetric matrix is largest, when their order does not matter.

import TensorEngine

enum LeadingSubspace {
    /// An orthonormal basis [n, dimension] of nearly the span of the leading eigenvectors.
    ///
    /// Subspace iteration from the columns with the largest diagonal elements: deterministic, and close enough to the
    /// optimum after a few rounds where eigenvalues fall slowly, because then the directions that it confuses are worth
    /// nearly the same.
    /// - Parameter matrix: [n, n], symmetric and positive semidefinite.
    static func basis(
        of matrix: Tensor, dimension: Int, iterations: Int = 3, on backend: any Backend
    ) -> Tensor {
        precondition(
            matrix.rowCount == matrix.width && (1...matrix.width).contains(dimension),
            "leading subspace: \(dimension) dimensions of \(matrix.shapeDescription)")
        let diagonal = backend.diagonal(of: matrix)
        let (largest, _) = backend.selectLargest(
            backend.upload(diagonal, rowCount: 1, width: diagonal.count, type: .float32), count: dimension)
        var basis = ThinQR(backend.block(of: matrix, rows: nil, columns: largest), on: backend).q
        for _ in 0..<iterations {
            basis =
                ThinQR(
                    backend.product(
                        MatrixOperand(matrix), MatrixOperand(basis, transposed: true), type: .float32),
                    on: backend
                ).q
        }
        return basis
    }
}
