// Means and covariances of what a feed-forward network reads and computes, over a sample of rows.
//
// N rows, D model width, F inner width; x its input after the norm, h the gated product.

import TensorEngine

/// Centred second moments, divided by the number of rows; all f32.
struct SampleMoments {
    /// [1, D] and [1, F]
    let inputMean: Tensor
    let channelMean: Tensor
    /// [D, D], [D, F] and [F, F]
    let inputs: Tensor
    let inputsChannels: Tensor
    let channels: Tensor

    /// - Parameters:
    ///   - x: f32 [N, D]
    ///   - h: f32 [N, F]
    init(inputs x: Tensor, channels h: Tensor, on backend: any Backend) {
        let share = 1 / Float(x.rowCount)
        func mean(_ values: Tensor) -> Tensor {
            let sums = backend.makeTensor(rowCount: 1, width: values.width, type: .float32)
            backend.columnSums(of: values, rows: nil, squared: false, into: sums)
            backend.copy(sums, scale: share, into: sums)
            return sums
        }
        let (xMean, hMean) = (mean(x), mean(h))
        func covariance(_ a: Tensor, _ aMean: Tensor, _ b: Tensor, _ bMean: Tensor, into result: Tensor) {
            backend.multiply(
                [
                    MatrixProduct(
                        MatrixOperand(a, transposed: true), MatrixOperand(b, transposed: true), scale: share),
                    MatrixProduct(
                        MatrixOperand(aMean, transposed: true), MatrixOperand(bMean, transposed: true),
                        scale: -1),
                ], into: MatrixOutput(result))
        }
        func matrix(_ rowCount: Int, _ width: Int) -> Tensor {
            backend.makeTensor(rowCount: rowCount, width: width, type: .float32)
        }
        /// Of values with themselves: columns of a panel with those from it on, the rest by symmetry.
        func covariance(_ a: Tensor, _ mean: Tensor) -> Tensor {
            let result = matrix(a.width, a.width)
            let panel = max(64, a.width / 8)
            for start in stride(from: 0, to: a.width, by: panel) {
                let (own, from) = (start..<min(start + panel, a.width), start..<a.width)
                covariance(
                    a.columns(from), mean.columns(from), a.columns(own), mean.columns(own),
                    into: result.rows(from).columns(own))
                let beyond = own.upperBound..<a.width
                guard !beyond.isEmpty else { break }
                backend.copy(
                    backend.transposed(result.rows(beyond).columns(own)), scale: 1,
                    into: result.rows(own).columns(beyond))
            }
            return result
        }
        inputMean = xMean
        channelMean = hMean
        inputs = covariance(x, xMean)
        inputsChannels = matrix(x.width, h.width)
        covariance(x, xMean, h, hMean, into: inputsChannels)
        channels = covariance(h, hMean)
    }
}
