// Contextual sparsity in one layer: which channels a batch's rows compute, and what stands in for the others.

/// The channels of a frozen weight that are computed, and those that are not: together all of them, each ascending.
///
/// A channel is a row of the stored weight: an output of q, k, v, gate and up, an input of o and down.
package struct ChannelSelection {
    /// int32 [k]
    package let kept: Tensor
    /// int32 [n - k]
    package let dropped: Tensor

    package init(kept: Tensor, dropped: Tensor) {
        precondition(
            kept.type == .int32 && dropped.type == .int32 && kept.count > 0,
            "channel selection: kept \(kept.shapeDescription), dropped \(dropped.shapeDescription)")
        self.kept = kept
        self.dropped = dropped
    }

    package var channelCount: Int { kept.count + dropped.count }
}

/// An estimate of what the channels that are not computed would have contributed: y += (x down^T) up + bias.
///
/// A constant of the pass: gradients flow through it to x, it is never trained and never saved. Layers whose estimates
/// have the same `down` tensor compute x down^T once.
package struct Compensation {
    /// [r, in]
    package let down: Tensor
    /// [r, out]. Of a layer whose outputs are selected only the dropped columns are read.
    package let up: Tensor
    /// f32 [out]
    package let bias: Tensor?

    package init(down: Tensor, up: Tensor, bias: Tensor? = nil) {
        precondition(
            down.rowCount == up.rowCount,
            "compensation: down \(down.shapeDescription), up \(up.shapeDescription)")
        self.down = down
        self.up = up
        self.bias = bias
    }
}

/// For which of its rows a layer computes gradients, of its adapter and of its input.
package enum RowGradient {
    case all
    /// For those that have been chosen when the backward pass arrives. The rows that this is said of are the candidates of
    /// the choice.
    case chosen(GradientRows)

    var isChosen: Bool { if case .chosen = self { true } else { false } }
    /// The rows chosen, nil for all. To be asked in the backward pass.
    var choice: GradientRows.Choice? { if case .chosen(let rows) = self { rows.chosen } else { nil } }
}

/// What one layer does for some rows; the defaults compute everything.
package struct ChannelUse {
    /// Nil for all channels, or for none where there is a compensation.
    package var selection: ChannelSelection?
    package var compensation: Compensation?
    /// Of a feed-forward network: rows [k, D] that stand for the kept rows of its down projection, because they were
    /// fitted anew to make up for the dropped ones.
    package var refittedRows: Tensor?
    package var gradient = RowGradient.all
    /// Of a feed-forward network: its adapters see every channel and only the frozen products are narrow, as in a
    /// linear layer of its own. Otherwise adapters work on the kept channels too.
    package var adaptersSeeAllChannels: Bool

    package init(
        _ selection: ChannelSelection? = nil, compensation: Compensation? = nil, refittedRows: Tensor? = nil,
        adaptersSeeAllChannels: Bool = false
    ) {
        precondition(
            refittedRows == nil || refittedRows?.rowCount == selection?.kept.count,
            "refitted rows \(refittedRows?.shapeDescription ?? "") for \(selection?.kept.count ?? 0) channels"
        )
        self.selection = selection
        self.compensation = compensation
        precondition(
            !adaptersSeeAllChannels || compensation == nil && refittedRows == nil,
            "adapters that see all channels beside an estimate of the dropped ones")
        self.refittedRows = refittedRows
        self.adaptersSeeAllChannels = adaptersSeeAllChannels
    }

    package static var all: ChannelUse { ChannelUse() }

    /// The frozen weight is not read at all: a low-rank map stands for all of it. Of `Tape.linears` alone.
    package static func replaced(by map: Compensation) -> ChannelUse { ChannelUse(compensation: map) }

    package var isReplaced: Bool { selection == nil && compensation != nil }
    package var computesEverything: Bool { selection == nil && compensation == nil }
}

/// How one set of a batch's rows goes through layers that share their input.
///
/// The parts of an operation hold each row once.
package struct RowPart {
    /// int32, ascending; nil for all rows.
    package let rows: Tensor?
    /// For each layer, in the operation's order.
    package let uses: [ChannelUse]

    package init(rows: Tensor?, uses: [ChannelUse]) {
        self.rows = rows
        self.uses = uses
    }

    /// All rows, all channels.
    package static func whole(layers: Int) -> RowPart {
        RowPart(rows: nil, uses: Array(repeating: .all, count: layers))
    }
}

extension [RowPart] {
    /// Parts hold each row once; anything else would leave outputs unwritten.
    func checkCoverage(rowCount: Int, layers: Int) {
        let covered = reduce(0) { $0 + ($1.rows?.count ?? rowCount) }
        precondition(
            covered == rowCount && allSatisfy { $0.uses.count == layers },
            "row parts cover \(covered) of \(rowCount) rows for \(layers) layers")
    }
}

extension FrozenWeight {
    /// The operand for x W^T with some channels.
    func forwardOperand(_ channels: Tensor?) -> MatrixOperand {
        MatrixOperand(tensor, transposed: layout == .inputRows, rows: channels)
    }

    /// The operand for dy W with some channels.
    func backwardOperand(_ channels: Tensor?) -> MatrixOperand {
        MatrixOperand(tensor, transposed: layout == .outputRows, rows: channels)
    }
}

extension MatrixOperand {
    /// The same elements with outer and depth dimensions exchanged.
    var transposed: MatrixOperand {
        var result = self
        result.isTransposed.toggle()
        return result
    }
}

extension Backend {
    /// The elements of a f32 vector at `indices`; nil stays nil.
    func elements(_ vector: Tensor?, at indices: Tensor) -> Tensor? {
        guard let vector else { return nil }
        let column = Tensor(
            storage: vector.storage, offset: vector.offset, rowCount: vector.count, width: 1,
            type: vector.type)
        let picked = makeTensor(rowCount: indices.count, width: 1, type: vector.type)
        gatherRows(of: column, indices: indices, scale: 1, into: picked)
        return Tensor(storage: picked.storage, rowCount: 1, width: indices.count, type: vector.type)
    }

    /// Rows of x as a new tensor [rows, width], in x's type unless another is given.
    package func gathered(_ x: Tensor, rows: Tensor, type: ElementType? = nil) -> Tensor {
        let result = makeTensor(rowCount: rows.count, width: x.width, type: type ?? x.type)
        gatherRows(of: x, indices: rows, scale: 1, into: result)
        return result
    }

    /// left right^T as a new tensor [rows, columns].
    package func product(_ left: MatrixOperand, _ right: MatrixOperand, scale: Float = 1, type: ElementType)
        -> Tensor
    {
        let result = makeTensor(rowCount: left.outerCount, width: right.outerCount, type: type)
        multiply([MatrixProduct(left, right, scale: scale)], into: MatrixOutput(result))
        return result
    }

    /// a + b of two optional f32 vectors.
    func sum(_ a: Tensor?, _ b: Tensor?) -> Tensor? {
        guard let a, let b else { return a ?? b }
        let result = makeTensor(rowCount: 1, width: a.count, type: .float32)
        add(a, b, into: result)
        return result
    }
}
