// Linear layers over one input, replaced by one low-rank map that is best for the inputs of a sample.
//
// With W [O, D] the layers' weights one above the other and C [D, D] the covariance of their input, the map of rank r
// whose output differs least from x W^T is x W^T V V^T, V [O, r] the leading eigenvectors of W C W^T. It costs
// r (D + O) where the layers cost D O. Measured in docs/LOG.md: at equal cost it is as close as half of the channels
// with a compensation of the others, and it needs no selection.

import Models
import TensorEngine

enum LowRankFit {
    /// The rank at which the map costs `1 - share` of the layers, in whole blocks.
    static func rank(input: Int, output: Int, leavingOut share: Double) -> Int {
        let full = Double(input) * Double(output) / Double(input + output)
        let most = min(input, output)
        return KeptChannels.wholeBlocks(min(most, max(1, Int(full * (1 - share) + 1e-9))), most: most)
    }

    /// One map for each layer, with `down` in common, in the model's compute type.
    ///
    /// - Parameter share: of the layers' operations that the maps save, in (0, 1).
    static func uses(
        of layers: [Linear], moments: InputMoments, leavingOut share: Double, on backend: any Backend
    ) -> [ChannelUse] {
        let output = layers.reduce(0) { $0 + $1.outputWidth }
        return uses(
            weights: layers.map(\.weight),
            rank: rank(input: layers[0].inputWidth, output: output, leavingOut: share), moments: moments,
            on: backend)
    }

    /// - Parameter rank: of the map, at most the width of the input.
    static func uses(
        weights layers: [FrozenWeight], rank: Int, moments: InputMoments, on backend: any Backend
    ) -> [ChannelUse] {
        let input = layers[0].inputWidth
        let output = layers.reduce(0) { $0 + $1.outputWidth }
        let weights = backend.makeTensor(rowCount: output, width: input, type: .float32)
        var ranges: [Range<Int>] = []
        for layer in layers {
            let start = ranges.last?.upperBound ?? 0
            let range = start..<start + layer.outputWidth
            let stored = backend.converted(layer.tensor, to: .float32)
            backend.copy(
                layer.layout == .outputRows ? stored : backend.transposed(stored), scale: 1,
                into: weights.rows(range))
            ranges.append(range)
        }
        let covariance = moments.covariance
        let image = backend.product(MatrixOperand(weights), MatrixOperand(covariance), type: .float32)
        let outputs = backend.product(MatrixOperand(image), MatrixOperand(weights), type: .float32)
        /// V^T [r, O]
        let directions = backend.transposed(
            LeadingSubspace.basis(of: outputs, dimension: rank, on: backend))
        let type = layers[0].tensor.type
        let down = backend.converted(
            backend.product(
                MatrixOperand(directions), MatrixOperand(weights, transposed: true), type: .float32), to: type
        )
        // Bias: what the map leaves of the mean, W m - V V^T W m.
        let mean = backend.product(MatrixOperand(moments.mean), MatrixOperand(weights), type: .float32)
        let told = backend.product(MatrixOperand(mean), MatrixOperand(directions), type: .float32)
        backend.multiply(
            [MatrixProduct(MatrixOperand(told), MatrixOperand(directions, transposed: true), scale: -1)],
            into: MatrixOutput(mean, accumulates: true))
        return ranges.map { range in
            ChannelUse.replaced(
                by: Compensation(
                    down: down, up: backend.converted(directions.columns(range), to: type),
                    bias: backend.converted(mean.columns(range), to: .float32)))
        }
    }
}
