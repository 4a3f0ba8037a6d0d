// Transposing a weight once, at load.

internal import CKernels

extension Tensor {
    /// A contiguous copy [width, rows] with rows and columns exchanged.
    package func transposed() -> Tensor {
        let result = Tensor(rowCount: width, width: rowCount, type: type)
        sl_transpose(Int64(rowCount), Int64(width), matrix, result.matrix)
        return result
    }
}
