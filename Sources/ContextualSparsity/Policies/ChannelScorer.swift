// What a criterion for channels has to say about a block: numbers to rank its channels by.

package import Models
package import TensorEngine

/// Rates the channels of sparse blocks, batch by batch.
///
/// A larger score is kept before a smaller one. Inputs are [T, D], what the block's first layers read; only the
/// partition's context rows count.
package protocol ChannelScorer {
    func attention(layer: Int, input: Tensor, rows: RowPartition, on backend: any Backend) -> AttentionScores
    /// [F]
    func feedForward(layer: Int, input: Tensor, rows: RowPartition, on backend: any Backend) -> [Float]
}

/// How large queries, keys and values are, channel by channel.
package struct AttentionScores {
    /// [H * K]
    package let queryNorms: [Float]
    /// [J * K]
    package let keyNorms: [Float]
    /// [J * K]
    package let valueNorms: [Float]

    package init(queryNorms: [Float], keyNorms: [Float], valueNorms: [Float]) {
        self.queryNorms = queryNorms
        self.keyNorms = keyNorms
        self.valueNorms = valueNorms
    }
}

extension RowPartition {
    /// The context rows of each sequence.
    var contextBySequence: [Tensor] {
        zip(contextStarts, contextStarts.dropFirst()).map { context.columns($0..<$1) }
    }
}
