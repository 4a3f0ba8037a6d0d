// Plans for timing, made by counting operations: what they leave out decides the speed, not what they were measured on.

internal import ContextualSparsity
internal import Models

enum CountedPlan {
    /// The same share of every block from a fifteenth of the depth to the last layer but one, so that a step spends this
    /// share of plain LoRA's operations.
    ///
    /// As training does, it first leaves out channels; where these do not suffice, gradients of rows as well.
    /// - Returns: nil when no such plan spends so little on these batches.
    static func spending(
        _ share: Double, step: TimedStep, batches: [LabelledSequences]
    ) -> SparsityPlan? {
        let layers = step.model.configuration.layerCount
        let plain = step.cost(of: batches, sharesPrefixes: false).total
        for gradientShare in [1, 0.75, 0.5, 0.3] {
            func plan(_ part: Double) -> SparsityPlan {
                var plan = SparsityPlan.uniform(
                    feedForward: 0.95 * part, attention: 0.75 * part, layers: layers / 15..<layers - 1)
                plan.gradientShare = gradientShare
                return plan
            }
            func spent(_ part: Double) -> Double { step.cost(of: batches, plan: plan(part)).total / plain }
            guard spent(1) <= share else { continue }
            var (low, high) = (0.0, 1.0)
            for _ in 0..<20 {
                let middle = (low + high) / 2
                if spent(middle) > share { low = middle } else { high = middle }
            }
            return plan(high)
        }
        return nil
    }
}
