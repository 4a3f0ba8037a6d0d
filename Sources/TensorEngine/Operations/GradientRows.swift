// Which rows of a batch pass a gradient on: decided on the way back, by what has arrived at each.

/// The rows through which gradients go down a layer.
///
/// Chosen in the backward pass by `Tape.keepLargestGradients` above the layer, read by the layer's own pullbacks, which run
/// right after. Rows that are not chosen have a gradient of zero there.
package final class GradientRows {
    /// Some rows of a batch.
    struct Choice {
        /// int32, ascending.
        let rows: Tensor
        /// int32: which of the candidates they are.
        let positions: Tensor
    }

    private var choice: Choice?

    package init() {}

    fileprivate func choose(_ rows: Choice) { choice = rows }

    /// - Precondition: rows have been chosen.
    var chosen: Choice {
        guard let choice else { preconditionFailure("gradient rows are read before they are chosen") }
        return choice
    }
}

extension Tape {
    /// x itself. On the way back the share of the candidate rows that has the largest gradients keeps them, at least one
    /// row; those of the other candidates become zero.
    ///
    /// Gradients are compared by their norms; of equal ones the lower row counts as larger.
    ///
    /// - Parameters:
    ///   - candidates: rows of x, int32, ascending. All other rows keep their gradients.
    ///   - share: above 0, up to 1.
    ///   - chosen: where the rows are left for the pullbacks of what made x.
    package func keepLargestGradients(
        _ x: Variable, of candidates: Tensor, share: Double, into chosen: GradientRows
    ) -> Variable {
        precondition(share > 0 && share <= 1, "keepLargestGradients: a share of \(share)")
        guard isRecording, let slot = x.gradientSlot else { return x }
        let count = min(candidates.count, max(1, Int((share * Double(candidates.count)).rounded())))
        return record(x.value) { [backend] gradient in
            let squares = backend.makeTensor(rowCount: 1, width: candidates.count, type: .float32)
            backend.squaredRowSums(of: gradient, rows: candidates, into: squares)
            let (kept, rest) = backend.selectLargest(squares, count: count)
            chosen.choose(
                GradientRows.Choice(
                    rows: backend.elements(ofIndices: candidates, at: kept), positions: kept))
            if rest.count > 0 {
                gradient.makeStorageUnique(on: backend)
                let zeros = backend.makeTensor(
                    rowCount: rest.count, width: gradient.width, type: gradient.type)
                backend.fill(zeros, with: 0)
                backend.scatterRows(
                    zeros, indices: backend.elements(ofIndices: candidates, at: rest), into: gradient,
                    accumulates: false)
            }
            slot.contribute(gradient, on: backend)
        }
    }
}
