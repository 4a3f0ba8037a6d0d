// What a run will take at most, from a formula, so that a run that cannot fit ends before it starts.

package import Adapters
package import FileSupport
package import Models
internal import TensorEngine

/// Bytes that a run takes, by what they hold.
///
/// Shapes: T tokens of the largest batch, D model width, F FFN width, Q and KV widths of queries and keys, R ranks.
public struct MemoryPlan: Codable, Equatable, Sendable {
    /// The frozen model.
    public var weightBytes: Int
    /// Adapter values, gradients, both moments, and the copy that a failing step goes back to; all f32.
    public var adapterBytes: Int
    /// What the forward pass keeps for the backward pass, and the gradients under way in one block.
    public var activationBytes: Int
    /// One chunk of logits, and the hidden rows that have labels.
    public var logitsBytes: Int
    /// Tokens of the largest batch.
    public var largestBatchTokens: Int

    /// All of it.
    public var totalBytes: Int { weightBytes + adapterBytes + activationBytes + logitsBytes }

    /// The plan for a model and the examples of a run.
    package init(
        _ model: CausalLM, adapters: AdapterSet, examples: [TokenizedExample], batchSize: Int
    ) {
        let shape = model.configuration
        let largest = examples.map(\.count).sorted(by: >).prefix(batchSize).reduce(0, +)
        let labelled = examples.map(\.labelledCount).sorted(by: >).prefix(batchSize).reduce(0, +)
        self.init(
            shape: shape, elementBytes: model.computeType.byteCount,
            adapterParameters: adapters.parameterCount,
            rankSum: adapters.adapters.reduce(0) { $0 + $1.pair.rank }, tokens: largest,
            labelledTokens: labelled)
    }

    /// The formula. A block keeps its input and the middle of its residual stream, both normed (4 D), queries and
    /// attention output (2 Q), keys and values (2 KV), gate, up and their product (3 F), and every adapter's
    /// projection (R); the last block keeps what follows its queries for rows with labels only. In the backward pass
    /// one block's gradients come on top, at most about 3 F + 3 D.
    package init(
        shape: DecoderConfiguration, elementBytes: Int, adapterParameters: Int, rankSum: Int, tokens: Int,
        labelledTokens: Int
    ) {
        let (d, f, q, kv) = (shape.width, shape.feedForwardWidth, shape.queryWidth, shape.keyValueWidth)
        let blockWeights = d * (2 * q + 2 * kv) + 3 * d * f
        let tables = shape.vocabularySize * d * (shape.tiesEmbeddings ? 1 : 2)
        weightBytes = (shape.layerCount * blockWeights + tables) * elementBytes
        adapterBytes = 5 * 4 * adapterParameters
        let contextPart = 2 * d + 2 * kv
        let outputPart = 2 * d + 2 * q + 3 * f
        let earlier = max(0, shape.layerCount - 1) * (contextPart + outputPart) + rankSum
        activationBytes =
            (tokens * (earlier + contextPart + 3 * f + 3 * d) + labelledTokens * outputPart) * elementBytes
        let row = 4 * shape.vocabularySize
        let chunkRows = max(1, min(labelledTokens, Self.logitsChunkBytes / row))
        logitsBytes = chunkRows * row + 2 * labelledTokens * d * elementBytes
        largestBatchTokens = tokens
    }

    /// What `Tape.crossEntropy` allows one chunk of logits.
    private static let logitsChunkBytes = 96 << 20

    /// Throws when what is still to be taken is more than the machine has to give.
    ///
    /// - Parameters:
    ///   - loadedBytes: what is taken already, e.g. the weights of a model that is loaded.
    ///   - available: free memory; nil when unknown, which passes.
    package func check(
        loadedBytes: Int, available: Int? = MachineMemory.availableBytes, location: String
    ) throws(InputError) {
        let missing = totalBytes - loadedBytes
        guard let available, missing > available else { return }
        throw InputError(
            location,
            "the run needs \(Self.inGigabytes(missing)) more memory (\(Self.inGigabytes(activationBytes)) for "
                + "batches of \(largestBatchTokens) tokens), this machine has \(Self.inGigabytes(available)) to give",
            advice:
                "Lower batch_size and raise gradient_accumulation, lower data.sequence_length, or free memory."
        )
    }

    private static func inGigabytes(_ bytes: Int) -> String {
        let tenths = (bytes + 50_000_000) / 100_000_000
        return "\(tenths / 10).\(tenths % 10) GB"
    }
}
