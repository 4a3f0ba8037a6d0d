// How far sparse passes are from the dense one on a fixed sample.

package import FileSupport
package import Models
import TensorEngine

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// Compares next-token distributions of scored tokens with those of the dense model.
///
/// The divergence ranks what hurts more finely than the loss does: on a few hundred tokens the loss also moves by luck,
/// up or down, and the divergence cannot.
package final class DivergenceMeter {
    /// A sparse pass beside the dense one.
    package struct Reading: Sendable {
        /// Mean Kullback-Leibler divergence from the dense distribution, in nats a token.
        package let divergence: Double
        /// Rise of the mean loss, in nats a token; can be below 0.
        package let lossRise: Double
    }

    /// Mean loss of the dense model over the scored tokens.
    package let denseLoss: Double
    package let scoredTokens: Int
    private let model: CausalLM
    private let batch: PackedSequences
    private let targets: [Int32]
    /// [rows * V]
    private let logProbabilities: [Float]
    private let blockInputs: [Tensor]

    /// Runs the dense pass.
    ///
    /// - Parameters:
    ///   - batch: whose output rows are scored.
    ///   - targets: the token after each output row.
    package init(_ model: CausalLM, batch: PackedSequences, targets: [Int32]) throws(InputError) {
        precondition(
            !targets.isEmpty && targets.count == batch.outputRows?.count,
            "divergence meter: \(targets.count) targets")
        self.model = model
        self.batch = batch
        self.targets = targets
        var (logits, inputs) = try model.tracedLogits(batch)
        let width = model.configuration.vocabularySize
        Self.normalise(&logits, width: width)
        logProbabilities = logits
        blockInputs = inputs
        scoredTokens = targets.count
        denseLoss = Self.loss(logits, targets, width: width)
    }

    /// Runs the model from `layer` on under a policy; earlier blocks are taken to be dense.
    package func measure(_ policy: any SparsityPolicy, from layer: Int = 0) throws(InputError) -> Reading {
        let width = model.configuration.vocabularySize
        var logits = try model.logits(batch, from: layer, input: blockInputs[layer], policy: policy)
        Self.normalise(&logits, width: width)
        var divergence = 0.0
        logProbabilities.withUnsafeBufferPointer { dense in
            logits.withUnsafeBufferPointer { sparse in
                for row in 0..<targets.count {
                    var sum: Float = 0
                    for index in row * width..<(row + 1) * width {
                        sum += exp(dense[index]) * (dense[index] - sparse[index])
                    }
                    divergence += Double(sum)
                }
            }
        }
        return Reading(
            divergence: max(0, divergence / Double(targets.count)),
            lossRise: Self.loss(logits, targets, width: width) - denseLoss)
    }

    /// Log-softmax of every row in place.
    private static func normalise(_ logits: inout [Float], width: Int) {
        logits.withUnsafeMutableBufferPointer { logits in
            for start in stride(from: 0, to: logits.count, by: width) {
                var largest = -Float.infinity
                for index in start..<start + width { largest = max(largest, logits[index]) }
                var sum: Float = 0
                for index in start..<start + width { sum += exp(logits[index] - largest) }
                let normaliser = largest + log(sum)
                for index in start..<start + width { logits[index] -= normaliser }
            }
        }
    }

    private static func loss(_ logProbabilities: [Float], _ targets: [Int32], width: Int) -> Double {
        var sum = 0.0
        for (row, target) in targets.enumerated() {
            sum -= Double(logProbabilities[row * width + Int(target)])
        }
        return sum / Double(targets.count)
    }
}
