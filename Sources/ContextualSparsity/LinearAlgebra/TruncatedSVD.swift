// The largest singular values and vectors of a large matrix by randomised subspace iteration.
//
// Halko, Martinsson and Tropp (SIAM Review 53(2), 2011), algorithm 4.4: a random subspace, multiplied by A and A^T and
// orthonormalised in turn, leans towards the leading singular vectors; a small exact decomposition finishes.

package import TensorEngine

/// A [m, n] ~ U diag(values) V^T, the best approximation of its rank up to the iteration's accuracy.
package struct TruncatedSVD {
    /// U [m, rank] f32; columns of values that are zero are zero.
    package let left: Tensor
    /// Descending, [rank].
    package let values: [Double]
    /// V [n, rank] f32
    package let right: Tensor

    /// - Parameters:
    ///   - matrix: f32 or bf16, [m, n].
    ///   - rank: at most min(m, n).
    ///   - oversampling: directions carried along beyond the rank; they make the wanted ones converge sooner.
    ///   - iterations: passes over A and A^T after the first; more are needed the slower the values fall.
    ///   - seed: of the random start; the same seed gives the same result.
    package init(
        of matrix: Tensor, rank: Int, oversampling: Int = 8, iterations: Int = 4, seed: UInt64 = 0,
        on backend: any Backend
    ) {
        let least = min(matrix.rowCount, matrix.width)
        precondition(
            (1...max(1, least)).contains(rank) && least > 0 && oversampling >= 0 && iterations >= 0,
            "TruncatedSVD: rank \(rank) of \(matrix.shapeDescription)")
        // In f32 throughout: bf16 products would round the subspace to 8 bits on processors that have them.
        var dense = matrix
        if matrix.type != .float32 {
            dense = backend.makeTensor(rowCount: matrix.rowCount, width: matrix.width, type: .float32)
            backend.copy(matrix, scale: 1, into: dense)
        }
        let count = min(rank + oversampling, least)
        var random = UniformValues(seed: seed)
        var start = backend.upload(
            random.values(matrix.width * count), rowCount: matrix.width, width: count, type: .float32)
        var range = ThinQR(Self.product(dense, start, on: backend), on: backend).q
        for _ in 0..<iterations {
            start = ThinQR(Self.product(dense, range, transposed: true, on: backend), on: backend).q
            range = ThinQR(Self.product(dense, start, on: backend), on: backend).q
        }
        // A ~ Q (A^T Q)^T = Q R^T Z^T with A^T Q = Z R, so the decomposition of R^T gives both sides.
        let image = ThinQR(Self.product(dense, range, transposed: true, on: backend), on: backend)
        let small = JacobiSVD(of: image.r.transposed)
        let kept = Array(0..<rank)
        values = Array(small.values.prefix(rank))
        left = Self.product(range, small.left.columns(kept).uploaded(to: backend), on: backend)
        right = Self.product(image.q, small.right.columns(kept).uploaded(to: backend), on: backend)
    }

    private static func product(
        _ matrix: Tensor, _ thin: Tensor, transposed: Bool = false, on backend: any Backend
    ) -> Tensor {
        let result = backend.makeTensor(
            rowCount: transposed ? matrix.width : matrix.rowCount, width: thin.width, type: .float32)
        backend.multiply(
            [
                MatrixProduct(
                    MatrixOperand(matrix, transposed: transposed), MatrixOperand(thin, transposed: true))
            ],
            into: MatrixOutput(result))
        return result
    }
}

/// Evenly spread values, the same in every run. SplitMix64 (Steele, Lea and Flood 2014).
private struct UniformValues {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func values(_ count: Int) -> [Float] {
        (0..<count).map { _ in
            state &+= 0x9e37_79b9_7f4a_7c15
            var z = state
            z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
            z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
            z ^= z >> 31
            // 24 random bits are exact in f32.
            return Float(z >> 40) / 8_388_608 - 1
        }
    }
}
