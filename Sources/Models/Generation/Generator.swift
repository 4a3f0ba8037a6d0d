// Generation for many prompts at once: prompts fill slots of a cache, sequences that end make room for the next.

package import FileSupport
import TensorEngine

/// Generates tokens with a model, its adapters applied.
package struct Generator {
    private let model: CausalLM
    private let options: GenerationOptions
    /// Sequences that are decoded together.
    private let slotCount: Int
    /// The most prompt tokens of one forward pass, so that long prompts do not take memory by their length.
    private let prefillTokens: Int

    package init(
        _ model: CausalLM, options: GenerationOptions = GenerationOptions(), slotCount: Int = 32,
        prefillTokens: Int = 1024
    ) {
        precondition(
            slotCount > 0 && prefillTokens > 0, "Generator: \(slotCount) slots, \(prefillTokens) tokens")
        self.model = model
        self.options = options
        self.slotCount = slotCount
        self.prefillTokens = prefillTokens
    }

    /// Whether a sequence goes on after a token.
    package enum Continuation { case goOn, stop }

    /// Continues every prompt.
    ///
    /// - Parameters:
    ///   - prompts: token sequences, none empty.
    ///   - onToken: called with the prompt's number and each token as it is made, stop tokens excepted; it may end that
    ///     sequence, as stop strings do.
    /// - Returns: the generated tokens of each prompt, without the prompt and without the stop token.
    /// - Throws: `InputError` when a prompt is empty or holds a token outside the vocabulary, when the cache cannot fit
    ///   in memory, or what `onToken` throws.
    package func generate(
        _ prompts: [[Int32]],
        onToken: (_ prompt: Int, _ token: Int32) throws(InputError) -> Continuation = { _, _ in .goOn }
    ) throws(InputError) -> [[Int32]] {
        var results = [[Int32]](repeating: [], count: prompts.count)
        if let empty = prompts.firstIndex(where: \.isEmpty) {
            throw InputError("prompt \(empty)", "it holds no tokens")
        }
        guard options.maximumTokens > 0, let longest = prompts.map(\.count).max() else { return results }
        let slots = min(slotCount, prompts.count)
        // Cache rows are numbered in 32 bits; more than that is refused below.
        let largestCapacity = longest + min(options.maximumTokens, Int(Int32.max))
        try checkMemory(slots: slots, capacity: largestCapacity)
        let cache = KeyValueCache(
            slotCount: slots, capacity: longest + min(options.maximumTokens, 64),
            largestCapacity: largestCapacity, model: model)
        var sequences = [ActiveSequence?](repeating: nil, count: slots)
        var waiting = prompts.indices[...]
        while !waiting.isEmpty || sequences.contains(where: { $0 != nil }) {
            for slot in sequences.indices where sequences[slot] == nil {
                guard let prompt = waiting.popFirst() else { break }
                cache.clear(slot: slot)
                sequences[slot] = ActiveSequence(
                    prompt: prompt, tokens: prompts[prompt], pending: prompts[prompt][...],
                    sampler: TokenSampler(options, prompt: prompts[prompt], sequence: prompt))
            }
            let finished = try advance(&sequences, cache: cache) { prompt, token throws(InputError) in
                if options.stopTokens.contains(token) { return true }
                results[prompt].append(token)
                let stops = try onToken(prompt, token) == .stop
                return stops || results[prompt].count >= options.maximumTokens
            }
            for slot in finished { sequences[slot] = nil }
        }
        return results
    }

    /// A sequence in its slot.
    private struct ActiveSequence {
        let prompt: Int
        /// The prompt and what was made of it.
        var tokens: [Int32]
        /// Tokens that the model has not seen yet: the rest of the prompt, or the last one made.
        var pending: ArraySlice<Int32>
        var sampler: TokenSampler

        mutating func append(_ token: Int32, rotary: RotaryConfiguration) -> Bool {
            tokens.append(token)
            // Longer than the model was made for, some models rotate every key anew.
            let startsOver = rotary.changesCachedKeys(from: tokens.count - 1, to: tokens.count)
            pending = startsOver ? tokens[...] : [token]
            return startsOver
        }
    }

    /// One forward pass over what is pending, up to the limit; samples for every sequence that has caught up.
    ///
    /// - Parameter accept: takes a token and says whether its sequence is done.
    /// - Returns: the slots whose sequences are done.
    private func advance(
        _ sequences: inout [ActiveSequence?], cache: KeyValueCache,
        accept: (_ prompt: Int, _ token: Int32) throws(InputError) -> Bool
    ) throws(InputError) -> [Int] {
        var budget = max(prefillTokens, sequences.count)
        var slots: [Int] = []
        var parts: [[Int32]] = []
        var later: [Int] = []
        var outputRows: [Int32] = []
        var sampling: [Int] = []
        var rowCount = 0
        for (slot, sequence) in sequences.enumerated() {
            guard let sequence, budget > 0 else { continue }
            let part = Array(sequence.pending.prefix(budget))
            budget -= part.count
            rowCount += part.count
            slots.append(slot)
            parts.append(part)
            later.append(sequence.pending.count - part.count)
            sequences[slot]?.pending = sequence.pending.dropFirst(part.count)
            if part.count == sequence.pending.count {
                sampling.append(slot)
                outputRows.append(Int32(rowCount - 1))
            }
        }
        guard !slots.isEmpty else { return [] }
        // A pass that only fills the cache still needs one output row.
        let batch = PackedSequences(
            parts, outputRows: outputRows.isEmpty ? [Int32(rowCount - 1)] : outputRows)
        let placement = cache.place(parts.map(\.count), in: slots, pending: later)
        let logits = try model.logits(batch, cache: placement)
        let vocabulary = model.configuration.vocabularySize
        var finished: [Int] = []
        for (row, slot) in sampling.enumerated() {
            guard
                let token = sequences[slot]?.sampler.sample(
                    logits[row * vocabulary..<(row + 1) * vocabulary]),
                let prompt = sequences[slot]?.prompt
            else { continue }
            if sequences[slot]?.append(token, rotary: model.configuration.rotary) == true {
                cache.clear(slot: slot)
            }
            if try accept(prompt, token) { finished.append(slot) }
        }
        return finished
    }

    /// The cache at its largest must fit: it grows while tokens are made, when failing would lose them.
    private func checkMemory(slots: Int, capacity: Int) throws(InputError) {
        let configuration = model.configuration
        let tokenBytes =
            2 * configuration.layerCount * configuration.keyValueWidth * CausalLM.inferenceType.byteCount
        let (rows, rowOverflow) = capacity.multipliedReportingOverflow(by: slots)
        let (bytes, byteOverflow) = rows.multipliedReportingOverflow(by: tokenBytes)
        let needed = rowOverflow || byteOverflow || rows > Int32.max ? Int.max : bytes
        guard needed == .max || needed > MachineMemory.availableBytes ?? .max else { return }
        throw InputError(
            "generation",
            "the cache of \(slots) sequences of \(capacity) tokens needs more memory than this machine has to give",
            advice: "Generate fewer tokens, or fewer sequences at once.")
    }
}
