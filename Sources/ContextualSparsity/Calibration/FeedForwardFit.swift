// Which channels of a feed-forward network to keep, and how the kept ones and a low-rank map make up for the others.
//
// With x the input, h the gated product, Wd the down projection stored [F, D], K kept and U dropped channels, n_j the
// norm of row j of Wd, and C centred moments over a sample of context rows:
//   keep     the largest n_j^2 var(h_j - the rank-r linear estimate of h_j from x): what x tells linearly anyway need
//            not be computed
//   refit    S = C_KK + c diag(C_KK),  A = S^-1 C_KU Wd_U,  G = S^-1 C_Kx
//   map      reduced-rank regression of what is left, C_xU Wd_U - C_xK A, on x with covariance
//            C_xx - C_xK G + l mean(diag C_xx) I:  x Q0 Q1, Q0 [D, r], Q1 [r, D]
//   y        = h_K (Wd_K + A - G Q0 Q1) + (x Q0) Q1 + bias
// The refit costs nothing in a step, the map as much as 2 r / 3 channels. The ridge c shrinks towards the model's own
// rows; measured in docs/LOG.md.

package import TensorEngine

/// How a fit is made.
package struct FitSettings: Equatable, Sendable {
    /// Rank of the map, and of the estimate that channels are judged by.
    package var rank: Int
    /// Ridge of the refit, relative to each channel's variance.
    package var channelRidge: Float
    /// Ridge of regressions on the input, relative to its mean variance.
    package var inputRidge: Float

    package init(rank: Int = 32, channelRidge: Float = 0.3, inputRidge: Float = 0.1) {
        self.rank = rank
        self.channelRidge = channelRidge
        self.inputRidge = inputRidge
    }
}

/// The calibrated stand-in for one feed-forward network.
package struct FeedForwardFit {
    /// For `Tape.feedForward`, in the model's compute type.
    package let use: ChannelUse

    /// Fits one block; nil when the sample does not determine it (a covariance that is not positive definite).
    ///
    /// - Parameters:
    ///   - inputs: rows of the network's input, f32 [N, D].
    ///   - channels: the gated product of the same rows, f32 [N, F].
    ///   - down: the down projection stored [F, D].
    ///   - keptCount: channels to keep, 1 to F - 1.
    package init?(
        inputs: Tensor, channels: Tensor, down downWeight: FrozenWeight, keptCount: Int,
        settings: FitSettings,
        on backend: any Backend
    ) {
        precondition(
            downWeight.layout == .inputRows && (1..<channels.width).contains(keptCount),
            "feed-forward fit: \(keptCount) of \(channels.width) channels")
        let moments = SampleMoments(inputs: inputs, channels: channels, on: backend)
        let weight = backend.converted(downWeight.tensor, to: .float32)
        let variance = backend.diagonal(of: moments.inputs).reduce(0, +) / Float(inputs.width)
        let rank = min(settings.rank, inputs.width, channels.width)
        guard
            let inputFactor = CholeskyFactor(
                of: moments.inputs, ridge: settings.inputRidge * variance, on: backend)
        else { return nil }
        let scores = Self.scores(moments, weight, inputFactor, rank: rank, on: backend)
        let (kept, dropped) = backend.selectLargest(
            backend.upload(scores, rowCount: 1, width: scores.count, type: .float32), count: keptCount)

        // Refit: A and G.
        let droppedShare = MatrixOperand(weight, transposed: true, rows: dropped)
        let keptChannels = backend.block(of: moments.channels, rows: kept, columns: kept)
        let keptVariances = backend.diagonal(of: keptChannels)
        backend.addToDiagonal(of: keptChannels, keptVariances.map { settings.channelRidge * $0 })
        guard let keptFactor = CholeskyFactor(of: keptChannels, on: backend) else { return nil }
        let correction = keptFactor.solve(
            backend.product(
                MatrixOperand(moments.channels, rows: kept, columns: dropped), droppedShare, type: .float32))
        let inputsKept = backend.block(of: moments.inputsChannels, rows: nil, columns: kept)
        let keptInputs = backend.transposed(inputsKept)
        let explained = keptFactor.solve(keptInputs)

        // Map: what the refit leaves, from what of x the kept channels do not tell.
        let rest = backend.converted(moments.inputs, to: .float32)
        backend.multiply(
            [
                MatrixProduct(
                    MatrixOperand(inputsKept), MatrixOperand(explained, transposed: true), scale: -1)
            ], into: MatrixOutput(rest, accumulates: true))
        guard let restFactor = CholeskyFactor(of: rest, ridge: settings.inputRidge * variance, on: backend)
        else { return nil }
        let target = backend.makeTensor(rowCount: inputs.width, width: weight.width, type: .float32)
        backend.multiply(
            [
                MatrixProduct(MatrixOperand(moments.inputsChannels, columns: dropped), droppedShare),
                MatrixProduct(
                    MatrixOperand(inputsKept), MatrixOperand(correction, transposed: true), scale: -1),
            ], into: MatrixOutput(target))
        let full = restFactor.solve(target)
        let fitted = backend.product(
            MatrixOperand(target, transposed: true), MatrixOperand(full, transposed: true), type: .float32)
        /// Q1^T [D, r]
        let directions = TruncatedSVD(of: fitted, rank: min(rank, weight.width), on: backend).left
        /// Q0^T [r, D]
        let down = backend.product(
            MatrixOperand(directions, transposed: true), MatrixOperand(full), type: .float32)

        // correction <- A - G Q0 Q1
        let explainedMap = backend.product(MatrixOperand(explained), MatrixOperand(down), type: .float32)
        backend.multiply(
            [MatrixProduct(MatrixOperand(explainedMap), MatrixOperand(directions), scale: -1)],
            into: MatrixOutput(correction, accumulates: true))
        let bias = backend.makeTensor(rowCount: 1, width: weight.width, type: .float32)
        let meanMap = backend.product(MatrixOperand(moments.inputMean), MatrixOperand(down), type: .float32)
        backend.multiply(
            [
                MatrixProduct(MatrixOperand(moments.channelMean, columns: dropped), droppedShare),
                MatrixProduct(
                    MatrixOperand(moments.channelMean, columns: kept),
                    MatrixOperand(correction, transposed: true), scale: -1),
                MatrixProduct(MatrixOperand(meanMap), MatrixOperand(directions), scale: -1),
            ], into: MatrixOutput(bias))
        let rows = backend.gathered(weight, rows: kept)
        backend.add(rows, correction, into: rows)
        let type = downWeight.tensor.type
        use = ChannelUse(
            ChannelSelection(kept: kept, dropped: dropped),
            compensation: Compensation(
                down: backend.converted(down, to: type),
                up: backend.converted(backend.transposed(directions), to: type), bias: bias),
            refittedRows: backend.converted(rows, to: type))
    }

    /// n_j^2 times the variance of what the best rank-r linear estimate of h_j from x leaves.
    private static func scores(
        _ moments: SampleMoments, _ weight: Tensor, _ inputFactor: CholeskyFactor, rank: Int,
        on backend: any Backend
    ) -> [Float] {
        let norms = backend.rowNorms(of: weight)
        let (inputs, channels) = (moments.inputsChannels.rowCount, norms.count)
        // C_xh with every channel weighted by its norm.
        var weighted = backend.download(moments.inputsChannels)
        for input in 0..<inputs {
            for channel in 0..<channels { weighted[input * channels + channel] *= norms[channel] }
        }
        let target = backend.upload(weighted, rowCount: inputs, width: channels, type: .float32)
        let full = inputFactor.solve(target)
        let fitted = backend.product(
            MatrixOperand(target, transposed: true), MatrixOperand(full, transposed: true), type: .float32)
        let directions = TruncatedSVD(of: fitted, rank: rank, on: backend).left
        /// The estimate of the weighted channels is x B V^T.
        let map = backend.product(
            MatrixOperand(full), MatrixOperand(directions, transposed: true), type: .float32)
        let covered = backend.download(
            backend.product(
                MatrixOperand(target, transposed: true), MatrixOperand(map, transposed: true), type: .float32)
        )
        let inputMap = backend.product(
            MatrixOperand(moments.inputs), MatrixOperand(map, transposed: true), type: .float32)
        let spread = backend.product(
            MatrixOperand(directions),
            MatrixOperand(
                backend.product(
                    MatrixOperand(map, transposed: true), MatrixOperand(inputMap, transposed: true),
                    type: .float32)), type: .float32)
        let (spreads, directionValues) = (backend.download(spread), backend.download(directions))
        let variances = backend.diagonal(of: moments.channels)
        return (0..<channels).map { channel in
            var score = norms[channel] * norms[channel] * variances[channel]
            for index in channel * rank..<(channel + 1) * rank {
                score += directionValues[index] * (spreads[index] - 2 * covered[index])
            }
            return max(0, score)
        }
    }
}
