// What a run will take at most, from a formula, so that a run that cannot fit ends before it starts.

package import Adapters
package import FileSupport
package import Models
internal import TensorEngine

/// Bytes that a run takes, by what they hold.
public struct MemoryPlan: Codable, Equatable, Sendable {
    /// The frozen model.
    public var weightBytes: Int
    /// Adapter values, gradients, both moments, and the copy that a failing step goes back to; all f32.
    public var adapterBytes: Int
    /// What the forward pass keeps for the backward pass.
    public var activationBytes: Int
    /// The most that is under way beside it at one time: a chunk of logits, or one block's gradients, with activation
    /// checkpointing beside what is in that block.
    public var workingBytes: Int
    /// Tokens of the largest batch.
    public var largestBatchTokens: Int
    /// What activation checkpointing would save, or saves.
    public var checkpointingSavings: Int
    /// Whether the run does that.
    public var checkpointing: Bool

    /// The program with its tokenizer, threads' scratch, and what the heap holds free between blocks.
    public static let programBytes = 64 << 20

    /// All of it.
    public var totalBytes: Int {
        weightBytes + adapterBytes + activationBytes + workingBytes + Self.programBytes
    }

    /// The plan for a model and the examples of a run.
    package init(
        _ model: CausalLM, adapters: AdapterSet, examples: [TokenizedExample], batchSize: Int,
        checkpointing: Bool = false
    ) {
        let lengths = examples.map(\.count).sorted(by: >).prefix(batchSize)
        let labelled = examples.map(\.labelledCount).sorted(by: >).prefix(batchSize).reduce(0, +)
        let shape = model.configuration
        let ranks = (0..<shape.layerCount).map { Self.ranks(model.linears(ofLayer: $0)) }
        self.init(
            shape: shape, elementBytes: model.computeType.byteCount,
            adapterParameters: adapters.parameterCount, ranks: ranks, tokens: lengths.reduce(0, +),
            labelledTokens: labelled, checkpointing: checkpointing)
    }

    /// - Parameter ranks: of each block's adapters together, 0 where a block has none.
    package init(
        shape: DecoderConfiguration, elementBytes: Int, adapterParameters: Int, ranks: [Int], tokens: Int,
        labelledTokens: Int, checkpointing: Bool = false
    ) {
        let (d, f) = (shape.width, shape.feedForwardWidth)
        let blockWeights = d * (2 * shape.queryWidth + 2 * shape.keyValueWidth) + 3 * d * f
        let tables = shape.vocabularySize * d * (shape.tiesEmbeddings ? 1 : 2)
        weightBytes = (shape.layerCount * blockWeights + tables) * elementBytes
        adapterBytes = 5 * 4 * adapterParameters
        let pass = PassMemory(
            shape: shape, elementBytes: elementBytes, ranks: ranks, tokens: tokens,
            labelledTokens: labelledTokens)
        let (plain, checkpointed) = (pass.peak(checkpointing: false), pass.peak(checkpointing: true))
        (activationBytes, workingBytes) = checkpointing ? checkpointed : plain
        checkpointingSavings = plain.kept + plain.working - checkpointed.kept - checkpointed.working
        largestBatchTokens = tokens
        self.checkpointing = checkpointing
    }

    private static func ranks(_ block: BlockLinears) -> Int {
        block.all.reduce(0) { $0 + ($1.adapter?.rank ?? 0) }
    }

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
        var advice =
            "Lower batch_size and raise gradient_accumulation, lower data.sequence_length, or free memory."
        if !checkpointing, checkpointingSavings > 0 {
            advice =
                "Set activation_checkpointing, which saves \(Self.inGigabytes(checkpointingSavings)) for about a "
                + "third more time. \(advice)"
        }
        throw InputError(
            location,
            "the run needs \(Self.inGigabytes(missing)) more memory "
                + "(\(Self.inGigabytes(activationBytes + workingBytes)) for "
                + "batches of \(largestBatchTokens) tokens), this machine has \(Self.inGigabytes(available)) to give",
            advice: advice)
    }

    private static func inGigabytes(_ bytes: Int) -> String {
        let tenths = (bytes + 50_000_000) / 100_000_000
        return "\(tenths / 10).\(tenths % 10) GB"
    }
}

/// What one forward and backward pass keeps and works in.
///
/// Shapes: T tokens, L labelled ones, D model width, F FFN width, Q and KV widths of queries and keys, H heads, R the
/// block's ranks. A block keeps its input and the middle of its residual stream (2 D), queries and attention's result
/// (2 Q), keys and values (2 KV), gate and up (2 F), the adapters' projections (R), and one float for each head and norm;
/// in families that normalise results also those (2 D), but not the middle. Norms, activations and sums with a norm are
/// made again. Of the last block, what follows the queries is there for labelled rows only, and blocks beneath the first
/// adapter keep nothing.
private struct PassMemory {
    /// By recorded block, all rows.
    private let blocks: [Int]
    private let lastBlock: Int
    private let input: Int
    private let logits: Int
    private let gradients: Int

    init(shape: DecoderConfiguration, elementBytes: Int, ranks: [Int], tokens: Int, labelledTokens: Int) {
        let (d, f, q, kv) = (
            shape.width, shape.feedForwardWidth, shape.queryWidth, shape.keyValueWidth
        )
        let results = shape.normPlacement == .before ? 0 : d
        let floats = 4 * (shape.headCount + 2)
        let everyRow = (d + 2 * kv) * elementBytes
        let outputRow = (d + 2 * q + 2 * f + results) * elementBytes + floats
        let first = ranks.firstIndex { $0 > 0 } ?? ranks.count
        blocks = ranks.dropFirst(first).dropLast().map { tokens * (everyRow + outputRow + $0 * elementBytes) }
        let lastRank = first < ranks.count ? ranks[ranks.count - 1] : 0
        lastBlock =
            tokens * everyRow + labelledTokens * (outputRow + lastRank * elementBytes)
        input = tokens * d * elementBytes
        let block = Tape.logitBlock(rowCount: labelledTokens, vocabulary: shape.vocabularySize)
        // The final norm's input and result, the result's gradient, and what that is summed up in.
        let sums = elementBytes < 4 ? 4 * block.rows * d : 0
        logits = 4 * block.rows * block.columns + sums + 3 * labelledTokens * d * elementBytes
        // Of gate and up, the block's own and what comes and goes on the residual stream.
        gradients = tokens * (2 * f + 3 * d) * elementBytes
    }

    /// What is kept when the forward pass ends, and the most that comes on top of it then or later.
    func peak(checkpointing: Bool) -> (kept: Int, working: Int) {
        let kept = (checkpointing ? blocks.count * input : blocks.reduce(0, +)) + lastBlock
        let largest = checkpointing ? blocks.max() ?? 0 : 0
        return (kept, max(logits, largest + gradients - lastBlock))
    }
}
