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
        let cache = try makeCache(slots: slots, longest: longest)
        var sequences = [ActiveSequence?](repeating: nil, count: slots)
        var waiting = prompts.indices[...]
        while !waiting.isEmpty || sequences.contains(where: { $0 != nil }) {
            for slot in sequences.indices where sequences[slot] == nil {
                guard let prompt = waiting.popFirst() else { break }
                cache.clear(slot: slot)
                sequences[slot] = ActiveSequence(prompt, prompts[prompt], cached: 0, options)
            }
            let finished = try advance(&sequences, cache: cache) { prompt, token throws(InputError) in
                try accept(token, of: prompt, into: &results[prompt], onToken)
            }
            for slot in finished { sequences[slot] = nil }
        }
        return results
    }

    /// Continues a prompt, reading only what the memory does not hold of it, and leaves what was read in the memory.
    ///
    /// Products of few rows and of many round differently, so logits equal those of a prompt that is read as a whole to
    /// within rounding, not to the bit.
    /// - Parameter onToken: as in `generate(_:onToken:)`.
    package func generate(
        _ prompt: [Int32], memory: GenerationMemory,
        onToken: (_ token: Int32) throws(InputError) -> Continuation = { _ in .goOn }
    ) throws(InputError) -> [Int32] {
        guard !prompt.isEmpty else { throw InputError("prompt", "it holds no tokens") }
        guard options.maximumTokens > 0 else { return [] }
        let (cache, cached) = try memory.recall(prompt, of: model) { longest throws(InputError) in
            try makeCache(slots: 1, longest: longest)
        }
        cache.largestCapacity = try checkedCapacity(slots: 1, longest: prompt.count)
        var result: [Int32] = []
        var sequences: [ActiveSequence?] = [ActiveSequence(0, prompt, cached: cached, options)]
        // What an error leaves behind is not known.
        memory.clear()
        while let sequence = sequences[0] {
            let finished = try advance(&sequences, cache: cache) { _, token throws(InputError) in
                try accept(token, of: 0, into: &result) { _, token throws(InputError) in try onToken(token) }
            }
            guard finished.isEmpty else {
                memory.keep(cache, tokens: sequence.tokens, of: model)
                break
            }
        }
        return result
    }

    /// Takes a token and says whether its sequence is done.
    private func accept(
        _ token: Int32, of prompt: Int, into result: inout [Int32],
        _ onToken: (_ prompt: Int, _ token: Int32) throws(InputError) -> Continuation
    ) throws(InputError) -> Bool {
        if options.stopTokens.contains(token) { return true }
        result.append(token)
        let stops = try onToken(prompt, token) == .stop
        return stops || result.count >= options.maximumTokens
    }

    private func makeCache(slots: Int, longest: Int) throws(InputError) -> KeyValueCache {
        KeyValueCache(
            slotCount: slots, capacity: longest + min(options.maximumTokens, 64),
            largestCapacity: try checkedCapacity(slots: slots, longest: longest), model: model)
    }

    /// A sequence in its slot.
    private struct ActiveSequence {
        let prompt: Int
        /// The prompt and what was made of it.
        var tokens: [Int32]
        /// Tokens that the model has not seen yet: the rest of the prompt, or the last one made.
        var pending: ArraySlice<Int32>
        var sampler: TokenSampler

        /// - Parameter cached: how many of the prompt's tokens the slot holds already.
        init(_ prompt: Int, _ tokens: [Int32], cached: Int, _ options: GenerationOptions) {
            self.prompt = prompt
            self.tokens = tokens
            pending = tokens[cached...]
            sampler = TokenSampler(options, prompt: tokens, sequence: prompt)
        }

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

    /// Tokens that a slot may come to hold. The cache at its largest must fit: it grows while tokens are made, when
    /// failing would lose them.
    private func checkedCapacity(slots: Int, longest: Int) throws(InputError) -> Int {
        // Cache rows are numbered in 32 bits; more than that is refused below.
        let capacity = longest + min(options.maximumTokens, Int(Int32.max))
        let configuration = model.configuration
        let tokenBytes =
            2 * configuration.layerCount * configuration.keyValueWidth * CausalLM.inferenceType.byteCount
        let (rows, rowOverflow) = capacity.multipliedReportingOverflow(by: slots)
        let (bytes, byteOverflow) = rows.multipliedReportingOverflow(by: tokenBytes)
        let needed = rowOverflow || byteOverflow || rows > Int32.max ? Int.max : bytes
        guard needed == .max || needed > MachineMemory.availableBytes ?? .max else { return capacity }
        throw InputError(
            "generation",
            "the cache of \(slots) sequences of \(capacity) tokens needs more memory than this machine has to give",
            advice: "Generate fewer tokens, or fewer sequences at once.")
    }
}
