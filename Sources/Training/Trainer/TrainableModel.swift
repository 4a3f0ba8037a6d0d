// What the trainer needs of a model; small, so that tests can train a model of two matrices.

package import FileSupport
package import TensorEngine

/// A model with a loss.
package protocol ScorableModel: AnyObject {
    /// The sum of losses over the batch's labelled positions, recorded on the tape when that is recording.
    ///
    /// - Parameters:
    ///   - gradientScale: d(objective)/d(loss sum): 1 / labelled tokens of the whole step.
    ///   - dropoutSeed: decides the dropout masks.
    func loss(
        _ batch: Batch, gradientScale: Float, on tape: Tape, dropoutSeed: UInt64
    ) throws(InputError) -> LossResult
}

/// A model with trainable parameters and a loss.
package protocol TrainableModel: ScorableModel {
    /// What is trained: f32, in an order that never changes.
    var parameters: [Parameter] { get }

    /// Fits sparsity again before a step, counted from 0, when it is time to.
    ///
    /// - Returns: whether it did.
    func refit(
        step: Int, of total: Int, onProgress: (PlanningProgress) -> Void
    ) throws(InputError) -> Bool

    /// Called before the gradients of a step, counted from 0.
    func prepare(step: Int, of total: Int)

    /// What a step on these batches costs; nil for models without sparsity.
    func sparsity(of batches: [Batch]) -> StepSparsity?

    /// Compares a sparse pass with a dense one, when it is time to.
    ///
    /// - Parameter step: steps done.
    func probe(_ batch: Batch, step: Int) throws(InputError) -> SparsityProbe?

    /// How far the stop rule of sparsity has come; nil for models without sparsity.
    var sparsityProgress: SparsityProgress? { get }

    /// The values of `parameters` that sparsity was last fitted to during the run; nil where it was not.
    var fittedParameters: [Tensor]? { get }

    /// What sparse steps leave out now; nil for models without sparsity.
    ///
    /// - Parameter step: steps done.
    func sparsityReport(step: Int) -> SparsityReport?

    /// Writes what a run needs besides its configuration to be resumed, into the run's folder.
    func writeRunFiles(to folder: String) throws(InputError)

    /// Writes the adapter in PEFT's format into an existing folder.
    func saveAdapter(to folder: String) throws(InputError)
}

extension TrainableModel {
    // Most models compute every step alike.
    package func refit(
        step: Int, of total: Int, onProgress: (PlanningProgress) -> Void
    ) throws(InputError) -> Bool { false }
    package func prepare(step: Int, of total: Int) {}
    package func sparsity(of batches: [Batch]) -> StepSparsity? { nil }
    package func probe(_ batch: Batch, step: Int) throws(InputError) -> SparsityProbe? { nil }
    package var sparsityProgress: SparsityProgress? { nil }
    package var fittedParameters: [Tensor]? { nil }
    package func sparsityReport(step: Int) -> SparsityReport? { nil }
    package func writeRunFiles(to folder: String) throws(InputError) {}
}
