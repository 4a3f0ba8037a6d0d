// A weight of the base model: never trained, stored so that a channel is a contiguous row.

/// A frozen matrix of a linear layer.
///
/// Channels that sparsity selects must be whole rows: gate, up, q, k and v are selected by output and stored
/// [out, in]; down and o are selected by input and stored [in, out].
package struct FrozenWeight {
    package enum Layout: Sendable {
        /// One row per output channel, as checkpoints store it.
        case outputRows
        /// One row per input channel: the checkpoint's matrix transposed.
        case inputRows
    }

    package let tensor: Tensor
    package let layout: Layout

    package init(_ tensor: Tensor, layout: Layout = .outputRows) {
        self.tensor = tensor
        self.layout = layout
    }

    package var inputWidth: Int { layout == .outputRows ? tensor.width : tensor.rowCount }
    package var outputWidth: Int { layout == .outputRows ? tensor.rowCount : tensor.width }

    /// The operand for x W^T: outer = output channels, depth = input channels.
    var forwardOperand: MatrixOperand { MatrixOperand(tensor, transposed: layout == .inputRows) }
    /// The operand for dy W: outer = input channels, depth = output channels.
    var backwardOperand: MatrixOperand { MatrixOperand(tensor, transposed: layout == .outputRows) }
}
