// Mean and covariance of what a layer reads, gathered batch by batch.

import TensorEngine

/// Moments of rows of width D, accumulated in f32 without keeping the rows.
struct InputMoments {
    private(set) var rowCount = 0
    /// [1, D], summed
    private let sums: Tensor
    /// [D, D], summed
    private let products: Tensor
    private let backend: any Backend

    init(width: Int, on backend: any Backend) {
        self.backend = backend
        sums = backend.makeTensor(rowCount: 1, width: width, type: .float32)
        products = backend.makeTensor(rowCount: width, width: width, type: .float32)
        backend.fill(sums, with: 0)
        backend.fill(products, with: 0)
    }

    /// - Parameter rows: f32 [N, D]
    mutating func add(_ rows: Tensor) {
        let more = backend.makeTensor(rowCount: 1, width: rows.width, type: .float32)
        backend.columnSums(of: rows, rows: nil, squared: false, into: more)
        backend.add(sums, more, into: sums)
        let operand = MatrixOperand(rows, transposed: true)
        backend.multiply([MatrixProduct(operand, operand)], into: MatrixOutput(products, accumulates: true))
        rowCount += rows.rowCount
    }

    /// [1, D]
    var mean: Tensor {
        let mean = backend.makeTensor(rowCount: 1, width: sums.width, type: .float32)
        backend.copy(sums, scale: 1 / Float(max(1, rowCount)), into: mean)
        return mean
    }

    /// [D, D], about the mean.
    var covariance: Tensor {
        let result = backend.makeTensor(rowCount: products.rowCount, width: products.width, type: .float32)
        backend.copy(products, scale: 1 / Float(max(1, rowCount)), into: result)
        let mean = MatrixOperand(self.mean, transposed: true)
        backend.multiply(
            [MatrixProduct(mean, mean, scale: -1)], into: MatrixOutput(result, accumulates: true))
        return result
    }
}
