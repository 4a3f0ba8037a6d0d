// A linear layer approximated by two thin factors, as the paper's estimator uses it.

package import TensorEngine

/// x W^T + bias ~ (x down) up + bias.
package struct LowRankProjection {
    /// [in, r] f32: U sqrt(S) of W^T = U S V^T.
    package let down: Tensor
    /// [r, out] f32: sqrt(S) V^T.
    package let up: Tensor
    /// f32, [out] values.
    package let bias: Tensor?

    package init(down: Tensor, up: Tensor, bias: Tensor? = nil) {
        precondition(
            down.width == up.rowCount && (bias?.count ?? up.width) == up.width,
            "factors \(down.shapeDescription) and \(up.shapeDescription)")
        self.down = down
        self.up = up
        self.bias = bias
    }

    /// The best approximation of a frozen weight of this rank (SparseLoRA, arXiv 2506.16500, section 3.2).
    ///
    /// - Parameter rank: reduced to the weight's smaller side where that is less.
    package init(
        of weight: FrozenWeight, bias: Tensor? = nil, rank: Int, seed: UInt64 = 0, on backend: any Backend
    ) {
        let rank = min(rank, weight.inputWidth, weight.outputWidth)
        let svd = TruncatedSVD(of: weight.tensor, rank: rank, seed: seed, on: backend)
        let (outputs, inputs) =
            weight.layout == .outputRows ? (svd.left, svd.right) : (svd.right, svd.left)
        let roots = svd.values.map { Float($0.squareRoot()) }
        self.init(
            down: Self.scaled(inputs, by: roots, transposed: false, on: backend),
            up: Self.scaled(outputs, by: roots, transposed: true, on: backend), bias: bias)
    }

    /// Factors as files hold them; files hold no biases.
    package init(_ factors: LowRankFactors, bias: Tensor?, on backend: any Backend) {
        self.init(
            down: backend.upload(
                factors.w1, rowCount: factors.inputWidth, width: factors.rank, type: .float32),
            up: backend.upload(
                factors.w2, rowCount: factors.rank, width: factors.outputWidth, type: .float32), bias: bias)
    }

    package var rank: Int { down.width }
    package var inputWidth: Int { down.rowCount }
    package var outputWidth: Int { up.width }

    /// x down: [rows, r] f32.
    func reduced(_ x: Tensor, rows: Tensor?, on backend: any Backend) -> Tensor {
        backend.product(
            MatrixOperand(x, rows: rows), MatrixOperand(down, transposed: true), type: .float32)
    }

    /// The layer's estimated output on some rows of x, [rows, out] f32.
    package func callAsFunction(_ x: Tensor, rows: Tensor? = nil, on backend: any Backend) -> Tensor {
        let thin = reduced(x, rows: rows, on: backend)
        let result = backend.makeTensor(rowCount: thin.rowCount, width: outputWidth, type: .float32)
        backend.multiply(
            [MatrixProduct(MatrixOperand(thin), MatrixOperand(up, transposed: true))],
            into: MatrixOutput(result, bias: bias))
        return result
    }

    /// Factors [n, r] with each column times its root, or transposed [r, n].
    private static func scaled(
        _ vectors: Tensor, by roots: [Float], transposed: Bool, on backend: any Backend
    ) -> Tensor {
        let (count, rank) = (vectors.rowCount, vectors.width)
        let values = backend.download(vectors)
        var result = [Float](repeating: 0, count: values.count)
        for row in 0..<count {
            for column in 0..<rank {
                let target = transposed ? column * count + row : row * rank + column
                result[target] = values[row * rank + column] * roots[column]
            }
        }
        return backend.upload(
            result, rowCount: transposed ? rank : count, width: transposed ? count : rank, type: .float32)
    }
}
