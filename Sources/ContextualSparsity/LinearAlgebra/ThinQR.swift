// Orthonormal columns for tall, thin matrices on the device.

package import TensorEngine

/// Y [m, l] = Q R with orthonormal columns in Q.
package struct ThinQR {
    /// [m, l] f32. A column that depends on those before it is zero.
    package let q: Tensor
    /// [l, l], upper triangular.
    package let r: SmallMatrix

    /// Cholesky QR twice (Yamamoto et al. 2015), which is products almost throughout, where the columns are far enough
    /// from dependent for its f32 Gram matrix; otherwise Gram-Schmidt on the host.
    package init(_ matrix: Tensor, on backend: any Backend) {
        if let first = Self.choleskyQR(matrix, on: backend),
            let second = Self.choleskyQR(first.q, on: backend)
        {
            q = second.q
            r = second.r.times(first.r)
        } else {
            (q, r) = Self.gramSchmidt(matrix, on: backend)
        }
    }

    private static func choleskyQR(
        _ matrix: Tensor, on backend: any Backend
    ) -> (q: Tensor, r: SmallMatrix)? {
        let width = matrix.width
        let gram = backend.makeTensor(rowCount: width, width: width, type: .float32)
        let columns = MatrixOperand(matrix, transposed: true)
        backend.multiply([MatrixProduct(columns, columns)], into: MatrixOutput(gram))
        guard let factor = SmallMatrix(downloading: gram, from: backend).choleskyFactor() else { return nil }
        let pivots = (0..<width).map { factor[$0, $0] }
        // The Gram matrix squares the condition: beyond about 2^-11 its f32 rounding reaches the smallest pivots.
        guard let least = pivots.min(), let most = pivots.max(), least > most / 1024 else { return nil }
        let q = backend.makeTensor(rowCount: matrix.rowCount, width: width, type: .float32)
        backend.multiply(
            [
                MatrixProduct(
                    MatrixOperand(matrix), MatrixOperand(factor.lowerInverse().uploaded(to: backend)))
            ],
            into: MatrixOutput(q))
        return (q, factor.transposed)
    }

    /// Each column against those before it, twice: once leaves what cancellation did to it.
    private static func gramSchmidt(
        _ matrix: Tensor, on backend: any Backend
    ) -> (q: Tensor, r: SmallMatrix) {
        let (length, count) = (matrix.rowCount, matrix.width)
        // Row i holds column i.
        var basis = SmallMatrix(downloading: matrix, from: backend).transposed
        var r = SmallMatrix(zeros: count, count)
        basis.values.withUnsafeMutableBufferPointer { values in
            func dot(_ p: Int, _ q: Int) -> Double {
                var sum = 0.0
                for i in 0..<length { sum += values[p * length + i] * values[q * length + i] }
                return sum
            }
            for column in 0..<count {
                let before = dot(column, column).squareRoot()
                for _ in 0..<2 {
                    for other in 0..<column {
                        let share = dot(other, column)
                        r[other, column] += share
                        for i in 0..<length {
                            values[column * length + i] -= share * values[other * length + i]
                        }
                    }
                }
                let norm = dot(column, column).squareRoot()
                // Below the f32 rounding of the column it came from, what is left is noise, not a direction.
                let isDependent = !(norm > before * 0x1p-22)
                r[column, column] = isDependent ? 0 : norm
                let scale = isDependent ? 0 : 1 / norm
                for i in 0..<length { values[column * length + i] *= scale }
            }
        }
        return (basis.transposed.uploaded(to: backend), r)
    }
}
