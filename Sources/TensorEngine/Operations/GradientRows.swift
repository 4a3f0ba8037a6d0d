// Which rows of a batch have their gradients computed in a layer: decided on the way back, by what has arrived at each.

/// Those of some rows whose gradients a layer computes; the others' pass it by.
///
/// Chosen in the backward pass by `Tape.choosingGradientRows` above the layer, read by the layer's own pullbacks, which run
/// right after.
package final class GradientRows {
    /// Some rows of a batch.
    struct Choice {
        /// int32, ascending.
        let rows: Tensor
        /// int32: which of the candidates they are.
        let positions: Tensor
        /// int32, ascending: those chosen of the whole batch.
        let all: Tensor
        /// int32: which of `all` they are; nil where the whole batch are candidates.
        let places: Tensor?
    }

    private let candidates: Tensor?
    private var choice: Choice?

    /// - Parameter candidates: rows of a batch, int32, ascending; nil for all of them.
    package init(among candidates: Tensor?) { self.candidates = candidates }

    fileprivate func choose(_ rows: Tensor, on backend: any Backend) {
        guard let candidates else {
            choice = Choice(rows: rows, positions: rows, all: rows, places: nil)
            return
        }
        let positions = backend.positions(of: rows, in: candidates)
        let mine = backend.elements(ofIndices: candidates, at: positions)
        choice = Choice(
            rows: mine, positions: positions, all: rows, places: backend.positions(of: mine, in: rows))
    }

    /// - Precondition: rows have been chosen.
    var chosen: Choice {
        guard let choice else { preconditionFailure("gradient rows are read before they are chosen") }
        return choice
    }
}

extension Tape {
    /// x itself, with its gradient. On the way back the rows that have the largest gradients are chosen, at least one.
    ///
    /// Gradients are compared by their norms; of equal ones the lower row counts as larger.
    ///
    /// - Parameters:
    ///   - share: of the rows, above 0, up to 1.
    ///   - chosen: for some sets of rows, which of them are among the chosen.
    package func choosingGradientRows(
        _ x: Variable, share: Double, into chosen: [GradientRows]
    ) -> Variable {
        precondition(share > 0 && share <= 1, "choosingGradientRows: a share of \(share)")
        guard isRecording, let slot = x.gradientSlot else { return x }
        let rowCount = x.value.rowCount
        let count = min(rowCount, max(1, Int((share * Double(rowCount)).rounded())))
        return record(x.value) { [backend] gradient in
            let squares = backend.makeTensor(rowCount: 1, width: rowCount, type: .float32)
            backend.squaredRowSums(of: gradient, rows: nil, into: squares)
            let rows = backend.selectLargest(squares, count: count).kept
            for some in chosen { some.choose(rows, on: backend) }
            slot.contribute(gradient, on: backend)
        }
    }
}
