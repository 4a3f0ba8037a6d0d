// How far sparse passes are from the dense one on a fixed sample.

internal import Dispatch
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
        guard denseLoss.isFinite else {
            throw InputError("sparsity", "the model's loss on a sample of the data is \(denseLoss)")
        }
    }

    /// Runs the model from `layer` on under a policy; earlier blocks are taken to be dense.
    package func measure(_ policy: any SparsityPolicy, from layer: Int = 0) throws(InputError) -> Reading {
        let width = model.configuration.vocabularySize
        var logits = try model.logits(batch, from: layer, input: blockInputs[layer], policy: policy)
        Self.normalise(&logits, width: width)
        var divergences = [Float](repeating: 0, count: targets.count)
        logProbabilities.withUnsafeBufferPointer { dense in
            logits.withUnsafeBufferPointer { sparse in
                divergences.withUnsafeMutableBufferPointer { divergences in
                    nonisolated(unsafe) let (dense, sparse, divergences) = (dense, sparse, divergences)
                    Self.forEachRow(count: targets.count, width: width) { row, elements in
                        divergences[row] = elements.reduce(0) { sum, index in
                            sum + exp(dense[index]) * (dense[index] - sparse[index])
                        }
                    }
                }
            }
        }
        let divergence = divergences.reduce(0.0) { $0 + Double($1) } / Double(targets.count)
        return Reading(
            // What is no number must not count as no harm.
            divergence: divergence.isNaN ? .infinity : max(0, divergence),
            lossRise: Self.loss(logits, targets, width: width) - denseLoss)
    }

    /// Log-softmax of every row in place.
    private static func normalise(_ logits: inout [Float], width: Int) {
        logits.withUnsafeMutableBufferPointer { logits in
            nonisolated(unsafe) let logits = logits
            forEachRow(count: logits.count / width, width: width) { _, elements in
                let largest = elements.reduce(-Float.infinity) { max($0, logits[$1]) }
                let sum = elements.reduce(Float(0)) { $0 + exp(logits[$1] - largest) }
                let normaliser = largest + log(sum)
                for index in elements { logits[index] -= normaliser }
            }
        }
    }

    /// On all cores; a row's elements are taken by one.
    private static func forEachRow(
        count: Int, width: Int, _ body: @Sendable (_ row: Int, _ elements: Range<Int>) -> Void
    ) {
        DispatchQueue.concurrentPerform(iterations: count) { row in
            body(row, row * width..<(row + 1) * width)
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
