// How contextual sparsity enters the decoder: blocks ask, a policy answers. Without a policy everything is dense.

package import TensorEngine

/// The rows of a batch that run sparse, and those that do not.
package struct RowPartition {
    /// int32, ascending: rows that predict no labelled token, and output rows where a policy wants them sparse.
    package let context: Tensor
    /// The context rows of sequence s are elements `contextStarts[s] ..< contextStarts[s + 1]` of `context`.
    package let contextStarts: [Int]
    /// int32, ascending: all others. They are dense.
    package let output: Tensor
}

/// What the context rows of one block's attention compute of q, k and v.
package struct ProjectionUses {
    package var query: ChannelUse
    package var key: ChannelUse
    package var value: ChannelUse

    package init(query: ChannelUse = .all, key: ChannelUse = .all, value: ChannelUse = .all) {
        self.query = query
        self.key = key
        self.value = value
    }
}

/// Chooses what the frozen layers compute for a batch's context rows, from each block's own input.
///
/// Asked in the order of the layers, for every training pass; nil means all channels. Inputs are [T, width], after the
/// norm; a policy may read them and must not keep them (it may keep copies).
package protocol SparsityPolicy: AnyObject {
    /// So many tokens at the start of each sequence are dense whatever they predict: attention sinks have activations
    /// unlike all others.
    var denseLeadingTokens: Int { get }
    /// The share of the output rows, in [0, 1], that run sparse all the same, evenly spread.
    var sparseOutputShare: Double { get }
    /// Of all rows, the share above 0 and up to 1 whose gradients go through a block: in each those with the largest. The
    /// gradients of the others pass it by, and it learns from them only by what later rows do with their keys and values;
    /// the forward pass stays what it is, and half of the work on these rows falls away.
    var gradientShare: Double { get }
    /// Words of the vocabulary that no row finds so probable are left out of the head's gradient, at least 0 and below 1; 0
    /// leaves out none.
    var wordThreshold: Double { get }
    /// Whether rows that sequences have in common may be computed, and seen by the policy, once. Criteria that weigh
    /// every sequence's own rows do not allow it.
    var allowsSharedPrefixes: Bool { get }

    /// Called before the passes of a step, counted from 0.
    func prepare(step: Int)

    func projections(layer: Int, input: Tensor, rows: RowPartition, on backend: any Backend)
        -> ProjectionUses?
    /// `input` is what the output projection reads: the attention's result [T, H * K].
    func attentionOutput(layer: Int, input: Tensor, rows: RowPartition, on backend: any Backend)
        -> ChannelUse?
    func feedForward(layer: Int, input: Tensor, rows: RowPartition, on backend: any Backend) -> ChannelUse?
}

extension SparsityPolicy {
    package var sparseOutputShare: Double { 0 }
    package var allowsSharedPrefixes: Bool { true }
    package var gradientShare: Double { 1 }
    package var wordThreshold: Double { 0 }
    package func prepare(step: Int) {}

    // A policy answers for the blocks that it has something to say about.
    package func projections(
        layer: Int, input: Tensor, rows: RowPartition, on backend: any Backend
    ) -> ProjectionUses? { nil }
    package func attentionOutput(
        layer: Int, input: Tensor, rows: RowPartition, on backend: any Backend
    ) -> ChannelUse? { nil }
    package func feedForward(
        layer: Int, input: Tensor, rows: RowPartition, on backend: any Backend
    ) -> ChannelUse? { nil }
}
