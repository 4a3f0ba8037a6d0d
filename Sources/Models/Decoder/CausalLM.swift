// The language model: embedding -> blocks -> final norm -> head.

package import FileSupport
package import TensorEngine

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// A decoder-only language model with a frozen base and optional adapters in its linear layers.
///
/// Batches are sequences laid end to end (`PackedSequences`). T rows enter; in the last block only the rows whose
/// output is used become queries, so its output projection and feed-forward network, the final norm and the head
/// compute nothing else. Not thread-safe: one thread drives a model.
package final class CausalLM {
    package let configuration: DecoderConfiguration
    package let backend: any Backend
    /// The type of weights, and of activations in training.
    package let computeType: ElementType
    /// The type of activations and cached keys and values when nothing is recorded. What is not kept for a backward
    /// pass takes little memory, so evaluation and generation do not round between layers.
    static let inferenceType = ElementType.float32
    private let embedding: FrozenWeight
    private let blocks: [DecoderBlock]
    private let finalNorm: Normalization
    /// [V, D]; the embedding table in models that tie them.
    package let head: FrozenWeight
    private let rotary: RotaryEmbedding

    /// Loads a model's weights.
    ///
    /// - Parameters:
    ///   - computeType: bf16, or f32 for reference results; stored weights are converted.
    /// - Throws: `InputError` when tensors are missing, of other shapes or left over, or when memory does not suffice.
    package init(
        _ source: ModelSource, computeType: ElementType = .bfloat16, backend: any Backend
    ) throws(InputError) {
        try MemoryNeed(source, computeType: computeType).check()
        let configuration = source.configuration
        let weights = ScopedWeights(source, computeType: computeType)
        let decoder = weights.scoped(source.decoderName)
        embedding = try decoder.scoped("embed_tokens").matrix(
            "weight", output: configuration.vocabularySize, input: configuration.width)
        var blocks: [DecoderBlock] = []
        for layer in 0..<configuration.layerCount {
            blocks.append(try DecoderBlock(decoder.scoped("layers.\(layer)"), layer: layer, configuration))
        }
        self.blocks = blocks
        // The head is linear, so what divides logits may as well divide what it reads.
        finalNorm = try Normalization(
            decoder.scoped("norm"), count: configuration.width, configuration,
            divisor: configuration.logitDivisor)
        head =
            configuration.tiesEmbeddings
            ? embedding
            : try weights.scoped("lm_head").matrix(
                "weight", output: configuration.vocabularySize, input: configuration.width)
        try weights.finish()
        rotary = RotaryEmbedding(configuration)
        self.configuration = configuration
        self.computeType = computeType
        self.backend = backend
    }

    /// Every linear layer that can carry an adapter, in the order of the layers.
    package var linears: [Linear] { blocks.flatMap(\.linears) }

    /// Runs something as if no layer carried an adapter.
    package func withoutAdapters<Failure: Error>(_ body: () throws(Failure) -> Void) throws(Failure) {
        let linears = self.linears
        let adapters = linears.map(\.adapter)
        for linear in linears { linear.adapter = nil }
        defer { for (linear, adapter) in zip(linears, adapters) { linear.adapter = adapter } }
        try body()
    }

    /// The frozen layers of one block, for methods that look into them.
    package func linears(ofLayer layer: Int) -> BlockLinears {
        let block = blocks[layer]
        let (attention, feedForward) = (block.attention.linears, block.feedForward.linears)
        return BlockLinears(
            query: attention[0], key: attention[1], value: attention[2], output: attention[3],
            gate: feedForward[0], up: feedForward[1], down: feedForward[2])
    }

    /// What the head reads, [output rows, D], of the batch's output rows: hidden states after the final norm, divided
    /// where the family divides logits.
    ///
    /// - Parameters:
    ///   - dropoutSeed: decides the adapters' dropout masks of this pass.
    ///   - policy: what rows other than the output rows compute; nil for everything.
    /// - Throws: `InputError` when a token number is not in the vocabulary.
    package func hiddenStates(
        _ batch: PackedSequences, on tape: Tape, dropoutSeed: UInt64 = 0, policy: (any SparsityPolicy)? = nil
    ) throws(InputError) -> Variable {
        try batch.checkTokens(vocabularySize: configuration.vocabularySize)
        return hiddenStates(
            ForwardPass(batch, tape: tape, rotary: rotary, dropoutSeed: dropoutSeed, policy: policy))
    }

    /// The sum of cross-entropies over the labelled rows, recorded on the tape.
    ///
    /// - Parameters:
    ///   - labels: for every row the token that must follow it, negative where none is scored. The batch's own
    ///     `outputRows` are not used: the labelled rows are the output.
    ///   - gradientScale: d(objective)/d(loss sum), e.g. 1 / labelled tokens of the whole step.
    ///   - policy: what rows without a label compute; nil for everything.
    ///   - checkpointing: whether blocks keep their inputs alone and run again in the backward pass. Losses and gradients
    ///     are the same to the bit.
    ///   - sharesPrefixes: whether rows before the first label that sequences have in common are computed once
    ///     (`SharedPrefixes`), which changes results by rounding alone, and which gradients a policy lets pass where it does
    ///     not want them all: a row in common is then one row.
    /// - Throws: `InputError` when a token number or label is not in the vocabulary.
    package func loss(
        _ batch: PackedSequences, labels: [Int32], gradientScale: Float, on tape: Tape,
        dropoutSeed: UInt64 = 0, policy: (any SparsityPolicy)? = nil, checkpointing: Bool = false,
        sharesPrefixes: Bool = true
    ) throws(InputError) -> LossResult {
        precondition(
            labels.count == batch.tokens.count, "loss: \(labels.count) labels, \(batch.tokens.count) tokens")
        let rows = labels.indices.filter { labels[$0] >= 0 }
        if let row = rows.first(where: { labels[$0] >= configuration.vocabularySize }) {
            throw InputError(
                "label \(row) of the batch",
                expected: "a token number from 0 to \(configuration.vocabularySize - 1)",
                found: "\(labels[row])")
        }
        guard !rows.isEmpty else { return LossResult(sum: 0, count: 0, rowLosses: []) }
        let checkpoints = checkpointing && tape.isRecording
        try batch.checkTokens(vocabularySize: configuration.vocabularySize)
        let pass = ForwardPass(
            batch.scoring(labels), tape: tape, rotary: rotary, dropoutSeed: dropoutSeed,
            policy: checkpoints ? policy.map { RememberingPolicy($0) } : policy,
            sharesPrefixes: sharesPrefixes)
        let hidden = hiddenStates(pass, checkpointing: checkpoints)
        return tape.crossEntropy(
            hidden, head: head, labels: backend.upload(rows.map { labels[$0] }),
            softcap: configuration.logitSoftcap, gradientScale: gradientScale,
            wordThreshold: Float(policy?.wordThreshold ?? 0))
    }

    /// Logits f32 [output rows, V] of the batch's output rows, row after row.
    ///
    /// - Throws: `InputError` when a token number is not in the vocabulary.
    package func logits(_ batch: PackedSequences) throws(InputError) -> [Float] {
        let tape = Tape(backend: backend, isRecording: false)
        return logits(ofHidden: try hiddenStates(batch, on: tape).value)
    }

    /// A dense pass: logits of the batch's output rows, and what every block read, f32 [T, D].
    ///
    /// - Throws: `InputError` when a token number is not in the vocabulary.
    package func tracedLogits(
        _ batch: PackedSequences
    ) throws(InputError) -> (logits: [Float], blockInputs: [Tensor]) {
        try batch.checkTokens(vocabularySize: configuration.vocabularySize)
        var inputs: [Tensor] = []
        let tape = Tape(backend: backend, isRecording: false)
        let pass = ForwardPass(batch, tape: tape, rotary: rotary, dropoutSeed: 0)
        let hidden = hiddenStates(pass) { inputs.append($0) }
        return (logits(ofHidden: hidden.value), inputs)
    }

    /// Logits of a pass that begins at a block, with what that block reads, under a policy.
    package func logits(
        _ batch: PackedSequences, from layer: Int, input: Tensor, policy: any SparsityPolicy
    ) throws(InputError) -> [Float] {
        try batch.checkTokens(vocabularySize: configuration.vocabularySize)
        let tape = Tape(backend: backend, isRecording: false)
        let pass = ForwardPass(batch, tape: tape, rotary: rotary, dropoutSeed: 0, policy: policy)
        return logits(ofHidden: hiddenStates(pass, from: layer, input: tape.constant(input)).value)
    }

    /// The same against a cache: the batch's rows follow what each sequence has in it, and join it.
    func logits(_ batch: PackedSequences, cache: CachePlacement) throws(InputError) -> [Float] {
        try batch.checkTokens(vocabularySize: configuration.vocabularySize)
        let tape = Tape(backend: backend, isRecording: false)
        let pass = ForwardPass(batch, tape: tape, rotary: rotary, dropoutSeed: 0, cache: cache)
        return logits(ofHidden: hiddenStates(pass).value)
    }

    /// - Parameters:
    ///   - layer: the first block to run.
    ///   - input: what it reads; nil for the embeddings.
    ///   - checkpointing: whether blocks run again in the backward pass. The last one does not: what it keeps is read
    ///     first, before any other block's values are back.
    ///   - onBlockInput: called with what each block reads.
    private func hiddenStates(
        _ pass: ForwardPass, from layer: Int = 0, input: Variable? = nil, checkpointing: Bool = false,
        onBlockInput: (Tensor) -> Void = { _ in }
    ) -> Variable {
        let tape = pass.tape
        var x =
            input
            ?? tape.embedding(
                pass.tokens, table: embedding.tensor, scale: configuration.embeddingScale(in: computeType),
                type: tape.isRecording ? computeType : Self.inferenceType)
        for number in layer..<blocks.count {
            onBlockInput(x.value)
            let isLast = number == blocks.count - 1
            let queries = isLast ? pass.outputRows : pass.allRows
            x =
                checkpointing && !isLast
                ? blocks[number].checkpointed(x, pass, queries: queries)
                : blocks[number](x, pass, queries: queries)
            if !isLast { x = pass.choosingGradientRows(of: x, madeBy: number) }
        }
        return finalNorm(x, on: tape)
    }

    private func logits(ofHidden hidden: Tensor) -> [Float] {
        let logits = backend.makeTensor(
            rowCount: hidden.rowCount, width: configuration.vocabularySize, type: .float32)
        backend.multiply(
            [MatrixProduct(MatrixOperand(hidden), MatrixOperand(head.tensor))], into: MatrixOutput(logits))
        let values = backend.download(logits)
        let cap = configuration.logitSoftcap
        return cap > 0 ? values.map { cap * tanh($0 / cap) } : values
    }
}
