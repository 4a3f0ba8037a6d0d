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

    /// Called before the gradients of a step, counted from 0.
    func prepare(step: Int, of total: Int)

    /// Writes the adapter in PEFT's format into an existing folder.
    func saveAdapter(to folder: String) throws(InputError)
}

extension TrainableModel {
    /// Most models compute every step alike.
    package func prepare(step: Int, of total: Int) {}
}
