// What a model has read of a conversation, so that the next turn reads only what is new.

import FileSupport
import TensorEngine

/// The keys and values of one sequence, kept from one generation to the next.
///
/// A conversation's next prompt begins with most of what the last generation ended with. Whatever the two have in
/// common is not read again; what differs from some token on is, so any prompt is right, only more or less quick.
package final class GenerationMemory {
    private var cache: KeyValueCache?
    /// The tokens in the cache.
    private var tokens: [Int32] = []
    /// The most tokens the sequence has had: models may rotate by length.
    private var longest = 0
    /// Whose keys these are.
    private weak var model: CausalLM?
    private var adapters: [Parameter?] = []
    /// Tokens of the last prompt that were not read again.
    package private(set) var reusedTokenCount = 0

    package init() {}

    /// Forgets everything: adapters that were trained on make other keys.
    package func clear() {
        cache = nil
        tokens = []
        longest = 0
        adapters = []
    }

    /// A cache for a prompt, and how many of its tokens it holds: never all, for the last one's logits are to be made.
    func recall(
        _ prompt: [Int32], of model: CausalLM,
        makeCache: (_ longest: Int) throws(InputError) -> KeyValueCache
    ) throws(InputError) -> (cache: KeyValueCache, cached: Int) {
        reusedTokenCount = 0
        guard let cache, self.model === model, adapters.elementsEqual(Self.adapters(of: model), by: ===),
            model.configuration.rotary.sharesKeys(ofSequence: longest, withPrompt: prompt.count)
        else { return (try makeCache(prompt.count), 0) }
        let common = zip(tokens, prompt.dropLast()).prefix { $0 == $1 }.count
        cache.truncate(slot: 0, to: common)
        reusedTokenCount = common
        return (cache, common)
    }

    /// Takes a cache back.
    ///
    /// - Parameter tokens: begin with what is in it.
    func keep(_ cache: KeyValueCache, tokens: [Int32], of model: CausalLM) {
        self.cache = cache
        self.tokens = Array(tokens.prefix(cache.lengths[0]))
        longest = tokens.count
        self.model = model
        adapters = Self.adapters(of: model)
    }

    private static func adapters(of model: CausalLM) -> [Parameter?] { model.linears.map { $0.adapter?.a } }
}
