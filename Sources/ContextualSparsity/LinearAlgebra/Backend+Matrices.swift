// Small moves between matrices that fits need: blocks, transposes, diagonals, norms of rows.

import TensorEngine

extension Backend {
    /// A copy in another type.
    func converted(_ matrix: Tensor, to type: ElementType) -> Tensor {
        let copy = makeTensor(rowCount: matrix.rowCount, width: matrix.width, type: type)
        self.copy(matrix, scale: 1, into: copy)
        return copy
    }

    /// The f32 matrix of these rows and columns; nil for all rows.
    func block(of matrix: Tensor, rows: Tensor?, columns: Tensor) -> Tensor {
        let values = download(matrix)
        let rowNumbers = rows.map(downloadIndices) ?? (0..<Int32(matrix.rowCount)).map { $0 }
        let columnNumbers = downloadIndices(columns)
        var result: [Float] = []
        result.reserveCapacity(rowNumbers.count * columnNumbers.count)
        for row in rowNumbers {
            let start = Int(row) * matrix.width
            for column in columnNumbers { result.append(values[start + Int(column)]) }
        }
        return upload(result, rowCount: rowNumbers.count, width: columnNumbers.count, type: .float32)
    }

    func transposed(_ matrix: Tensor) -> Tensor {
        let values = download(matrix)
        var result = [Float](repeating: 0, count: values.count)
        for row in 0..<matrix.rowCount {
            for column in 0..<matrix.width {
                result[column * matrix.rowCount + row] = values[row * matrix.width + column]
            }
        }
        return upload(result, rowCount: matrix.width, width: matrix.rowCount, type: .float32)
    }

    func diagonal(of matrix: Tensor) -> [Float] {
        let values = download(matrix)
        return (0..<matrix.rowCount).map { values[$0 * matrix.width + $0] }
    }

    func addToDiagonal(of matrix: Tensor, _ addends: [Float]) {
        var values = download(matrix)
        for (index, addend) in addends.enumerated() { values[index * matrix.width + index] += addend }
        copy(
            upload(values, rowCount: matrix.rowCount, width: matrix.width, type: .float32), scale: 1,
            into: matrix)
    }

    /// Euclidean lengths.
    func rowNorms(of matrix: Tensor) -> [Float] {
        let values = download(matrix)
        return (0..<matrix.rowCount).map { row in
            values[row * matrix.width..<(row + 1) * matrix.width].reduce(0) { $0 + $1 * $1 }.squareRoot()
        }
    }
}
