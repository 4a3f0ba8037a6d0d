// One optimizer step: gradients of all its micro-batches, the checks on them, the update.

package import FileSupport
package import TensorEngine

/// What a step computed, before and after its update.
package struct StepResult: Equatable, Sendable {
    /// Mean loss over the step's labelled tokens.
    package let loss: Double
    /// Norm of all gradients before clipping.
    package let gradientNorm: Double
    package let tokens: Int
    package let labelledTokens: Int
}

/// Why a step made no update.
package enum StepProblem: Error {
    /// The parameters that the step began with give no finite loss.
    case loss(Double)
    /// The loss is finite, its gradient is not.
    case gradient(Double)
    case input(InputError)
}

extension TrainableModel {
    /// Computes the gradients of the batches together.
    ///
    /// The objective is the mean over the labelled tokens of *all* batches. They are known beforehand, so each pass
    /// already has the right scale, and a step of several small batches is the same as a step of one large one.
    package func accumulateGradients(
        of batches: [Batch], into optimizer: AdamWOptimizer, backend: any Backend,
        profile: OperationProfile? = nil,
        dropoutSeed: (_ batch: Int) -> UInt64
    ) throws(StepProblem) -> StepResult {
        let labelled = batches.reduce(0) { $0 + $1.labelledCount }
        precondition(labelled > 0, "a step of \(batches.count) batches has no labelled token")
        var sum = 0.0
        for (index, batch) in batches.enumerated() where batch.labelledCount > 0 {
            let tape = Tape(backend: backend)
            profile?.begin(.forward)
            do throws(InputError) {
                sum += try loss(
                    batch, gradientScale: 1 / Float(labelled), on: tape, dropoutSeed: dropoutSeed(index)
                ).sum
            } catch {
                throw .input(error)
            }
            guard sum.isFinite else { throw .loss(sum) }
            profile?.begin(.backward)
            tape.backward()
        }
        profile?.begin(.update)
        let norm = optimizer.gradientNorm()
        guard norm.isFinite else { throw .gradient(norm) }
        return StepResult(
            loss: sum / Double(labelled), gradientNorm: norm,
            tokens: batches.reduce(0) { $0 + $1.tokens.count }, labelledTokens: labelled)
    }

    /// Mean loss over the labelled tokens of the batches, without gradients.
    package func meanLoss(
        of batches: [Batch], backend: any Backend
    ) throws(InputError) -> (loss: Double, labelledTokens: Int) {
        var sum = 0.0
        var count = 0
        for batch in batches where batch.labelledCount > 0 {
            let tape = Tape(backend: backend, isRecording: false)
            let result = try loss(batch, gradientScale: 0, on: tape, dropoutSeed: 0)
            sum += result.sum
            count += batch.labelledCount
        }
        return (count == 0 ? 0 : sum / Double(count), count)
    }
}
