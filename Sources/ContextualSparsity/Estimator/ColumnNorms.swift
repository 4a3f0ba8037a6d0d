// L2 norms of the columns of activations, formed or estimated.

package import TensorEngine

package enum ColumnNorms {
    /// Of a matrix's selected rows (nil: all), [width].
    package static func norms(of x: Tensor, rows: Tensor?, on backend: any Backend) -> [Float] {
        let sums = backend.makeTensor(rowCount: 1, width: x.width, type: .float32)
        backend.columnSums(of: x, rows: rows, squared: true, into: sums)
        return backend.download(sums).map { $0.squareRoot() }
    }

    /// Of a low-rank projection's output, [out], which is never formed: with t = x down and u a column of `up`, the sum
    /// of (t u + b)^2 over n rows is u^T (t^T t) u + 2 b (sum of t) u + n b^2.
    package static func norms(
        of x: Tensor, rows: Tensor?, through projection: LowRankProjection, on backend: any Backend
    ) -> [Float] {
        let (rank, width) = (projection.rank, projection.outputWidth)
        let thin = projection.reduced(x, rows: rows, on: backend)
        let columns = MatrixOperand(thin, transposed: true)
        let gram = backend.makeTensor(rowCount: rank, width: rank, type: .float32)
        backend.multiply([MatrixProduct(columns, columns)], into: MatrixOutput(gram))
        let product = backend.makeTensor(rowCount: rank, width: width, type: .float32)
        let up = MatrixOperand(projection.up, transposed: true)
        backend.multiply([MatrixProduct(MatrixOperand(gram), up)], into: MatrixOutput(product))
        let factors = backend.download(projection.up)
        var squares = [Float](repeating: 0, count: width)
        for (index, value) in backend.download(product).enumerated() {
            squares[index % width] += value * factors[index]
        }
        if let bias = projection.bias {
            let sums = backend.makeTensor(rowCount: 1, width: rank, type: .float32)
            backend.columnSums(of: thin, rows: nil, squared: false, into: sums)
            let linear = backend.makeTensor(rowCount: 1, width: width, type: .float32)
            backend.multiply([MatrixProduct(MatrixOperand(sums), up)], into: MatrixOutput(linear))
            let (sum, offsets) = (backend.download(linear), backend.download(bias))
            for channel in 0..<width {
                squares[channel] +=
                    offsets[channel] * (2 * sum[channel] + Float(thin.rowCount) * offsets[channel])
            }
        }
        // Rounding can leave a sum of squares a hair below zero; NaN stays NaN.
        return squares.map { $0 < 0 ? 0 : $0.squareRoot() }
    }
}
