// A matrix in host memory and double precision, for the small dense problems inside the large ones.

package import TensorEngine

/// Row-major, `rowCount` rows of `width` numbers.
package struct SmallMatrix: Equatable, Sendable {
    package let rowCount: Int
    package let width: Int
    package var values: [Double]

    package init(rowCount: Int, width: Int, values: [Double]) {
        precondition(values.count == rowCount * width, "\(values.count) values for [\(rowCount), \(width)]")
        self.rowCount = rowCount
        self.width = width
        self.values = values
    }

    package init(zeros rowCount: Int, _ width: Int) {
        self.init(
            rowCount: rowCount, width: width, values: [Double](repeating: 0, count: rowCount * width))
    }

    package init(downloading tensor: Tensor, from backend: any Backend) {
        self.init(
            rowCount: tensor.rowCount, width: tensor.width, values: backend.download(tensor).map(Double.init))
    }

    package subscript(row: Int, column: Int) -> Double {
        get { values[row * width + column] }
        set { values[row * width + column] = newValue }
    }

    package var transposed: SmallMatrix {
        var result = SmallMatrix(zeros: width, rowCount)
        for row in 0..<rowCount { for column in 0..<width { result[column, row] = self[row, column] } }
        return result
    }

    package func times(_ right: SmallMatrix) -> SmallMatrix {
        precondition(
            width == right.rowCount, "[\(rowCount), \(width)] times [\(right.rowCount), \(right.width)]")
        var result = SmallMatrix(zeros: rowCount, right.width)
        for row in 0..<rowCount {
            for inner in 0..<width {
                let factor = self[row, inner]
                for column in 0..<right.width {
                    result.values[row * right.width + column] += factor * right[inner, column]
                }
            }
        }
        return result
    }

    /// Some of the columns, in the order given.
    package func columns(_ indices: [Int]) -> SmallMatrix {
        var result = SmallMatrix(zeros: rowCount, indices.count)
        for row in 0..<rowCount {
            for (to, from) in indices.enumerated() { result[row, to] = self[row, from] }
        }
        return result
    }

    /// As f32 on the device.
    package func uploaded(to backend: any Backend) -> Tensor {
        backend.upload(values.map { Float($0) }, rowCount: rowCount, width: width, type: .float32)
    }

    /// The lower triangle L with L L^T = self, or nil when a pivot is not above zero: the matrix is then not positive
    /// definite in this precision. Only the lower triangle is read.
    package func choleskyFactor() -> SmallMatrix? {
        precondition(rowCount == width, "Cholesky factor of [\(rowCount), \(width)]")
        var factor = SmallMatrix(zeros: width, width)
        for column in 0..<width {
            for row in column..<width {
                var sum = self[row, column]
                for k in 0..<column { sum -= factor[row, k] * factor[column, k] }
                if row > column {
                    factor[row, column] = sum / factor[column, column]
                } else {
                    guard sum > 0, sum.isFinite else { return nil }
                    factor[column, column] = sum.squareRoot()
                }
            }
        }
        return factor
    }

    /// The inverse of a lower triangle with nonzero diagonal.
    package func lowerInverse() -> SmallMatrix {
        precondition(rowCount == width, "inverse of [\(rowCount), \(width)]")
        var inverse = SmallMatrix(zeros: width, width)
        for column in 0..<width {
            inverse[column, column] = 1 / self[column, column]
            for row in column + 1..<max(width, column + 1) {
                var sum = 0.0
                for k in column..<row { sum -= self[row, k] * inverse[k, column] }
                inverse[row, column] = sum / self[row, row]
            }
        }
        return inverse
    }
}
