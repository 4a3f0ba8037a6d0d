// L2 norms of the columns of activations, formed or estimated.

package import TensorEngine

package enum ColumnNorms {
    /// Of a matrix's selected rows (nil: all), [width].
    package static func norms(of x: Tensor, rows: Tensor?, on backend: any Backend) -> [Float] {
        let sums = backend.makeTensor(rowCount: 1, width: x.width, type: .float32)
        backend.columnSums(of: x, rows: rows, squared: true, into: sums)
        return backend.download(sums).map { $0.squareRoot() }
    }

    /// Of a low-rank projection's output on some rows of x, [out].
    package static func norms(
        of x: Tensor, rows: Tensor?, through projection: LowRankProjection, on backend: any Backend
    ) -> [Float] {
        norms(ofReduced: projection.reduced(x, rows: rows, on: backend), through: projection, on: backend)
    }

    /// The same from t = x down [rows, r]. The output is never formed: with u a column of `up`, the sum of (t u + b)^2
    /// over n rows is u^T (t^T t) u + 2 b (sum of t) u + n b^2.
    static func norms(
        ofReduced thin: Tensor, through projection: LowRankProjection, on backend: any Backend
    ) -> [Float] {
        let columns = MatrixOperand(thin, transposed: true)
        let up = MatrixOperand(projection.up, transposed: true)
        let gram = backend.product(columns, columns, type: .float32)
        let product = backend.product(MatrixOperand(gram), up, type: .float32)
        let (factors, products) = (backend.download(projection.up), backend.download(product))
        var squares = [Float](repeating: 0, count: projection.outputWidth)
        for row in 0..<projection.rank {
            let start = row * squares.count
            for channel in squares.indices {
                squares[channel] += products[start + channel] * factors[start + channel]
            }
        }
        if let bias = projection.bias {
            let sums = backend.makeTensor(rowCount: 1, width: projection.rank, type: .float32)
            backend.columnSums(of: thin, rows: nil, squared: false, into: sums)
            let sum = backend.download(backend.product(MatrixOperand(sums), up, type: .float32))
            let (offsets, count) = (backend.download(bias), Float(thin.rowCount))
            for channel in squares.indices {
                squares[channel] += offsets[channel] * (2 * sum[channel] + count * offsets[channel])
            }
        }
        // Rounding can leave a sum of squares a hair below zero; NaN stays NaN.
        return squares.map { $0 < 0 ? 0 : $0.squareRoot() }
    }
}
