// From a word, which is a piece of the pre-tokenizer, to tokens: the model, behind a cache.

import FileSupport

/// The model of a tokenizer.
struct WordEncoder: Sendable {
    private enum Model: Sendable {
        case bytePairs(BytePairEncoder, JoinTable?)
        case unigram(UnigramEncoder)
    }

    private let model: Model
    private let vocabulary: Vocabulary
    /// A word that is a token is that token, whatever the merges would give.
    private let ignoresMerges: Bool
    /// Ids that only added tokens have: no word of text is one of them.
    private let addedOnly: Set<Int32>

    init(_ definition: TokenizerDefinition, vocabulary: Vocabulary, addedOnly: Set<Int32>) throws(InputError)
    {
        self.vocabulary = vocabulary
        self.addedOnly = addedOnly
        ignoresMerges = definition.ignoresMerges
        let seeds = try SeedTokens(definition, vocabulary: vocabulary, addedOnly: addedOnly)
        switch definition.model {
        case .bytePairs(let usesByteAlphabet):
            let rules = try definition.mergeRules(vocabulary)
            let canCut = !usesByteAlphabet && !definition.ignoresMerges
            model = .bytePairs(
                try BytePairEncoder(definition, seeds: seeds, rules: rules),
                canCut ? JoinTable(rules: rules, vocabulary: vocabulary, seeds: seeds) : nil)
        case .unigram(let scores):
            model = .unigram(
                try UnigramEncoder(definition, scores: scores, vocabulary: vocabulary, seeds: seeds))
        }
    }

    /// Appends the tokens of a word.
    func encode(
        _ bytes: UnsafeBufferPointer<UInt8>, in range: Range<Int>, workspace: inout EncodingWorkspace,
        into output: inout [Int32]
    ) {
        guard case .bytePairs(_, let joins?) = model else {
            return encodePart(
                UnsafeBufferPointer(rebasing: bytes[range]), workspace: &workspace, into: &output)
        }
        var start = range.lowerBound
        while start < range.upperBound {
            let end = joins.endOfPart(bytes, in: start..<range.upperBound)
            encodePart(
                UnsafeBufferPointer(rebasing: bytes[start..<end]), workspace: &workspace, into: &output)
            start = end
        }
    }

    private func encodePart(
        _ word: UnsafeBufferPointer<UInt8>, workspace: inout EncodingWorkspace, into output: inout [Int32]
    ) {
        guard word.count <= WordCache.longestWord else {
            return encodeAnew(word, workspace: &workspace, into: &output)
        }
        let key = WordCache.Key(word)
        if workspace.cache.append(key, to: &output) { return }
        let start = output.count
        encodeAnew(word, workspace: &workspace, into: &output)
        workspace.cache.insert(key, tokens: output[start...])
    }

    private func encodeAnew(
        _ word: UnsafeBufferPointer<UInt8>, workspace: inout EncodingWorkspace, into output: inout [Int32]
    ) {
        switch model {
        case .bytePairs(let encoder, _):
            if ignoresMerges, let id = vocabulary.id(of: word), !addedOnly.contains(id) {
                output.append(id)
            } else {
                encoder.encode(word, scratch: &workspace.scratch, into: &output)
            }
        case .unigram(let encoder):
            encoder.encode(word, scratch: &workspace.unigram, into: &output)
        }
    }
}

/// Everything that one `encode` writes to besides its result.
struct EncodingWorkspace: Sendable {
    var scratch = MergeScratch()
    var unigram = UnigramEncoder.Scratch()
    var cache = WordCache()
    /// The matchers of each stage that are not in use.
    private var matchers: [[PatternMatcher?]?] = []

    mutating func takeMatchers(_ stage: Int, for steps: [PreTokenizer.Step]) -> [PatternMatcher?] {
        while matchers.count <= stage { matchers.append(nil) }
        guard let taken = matchers[stage] else { return PieceCursor.matchers(for: steps) }
        matchers[stage] = nil
        return taken
    }

    mutating func putBack(_ taken: [PatternMatcher?], _ stage: Int) {
        var taken = taken
        for index in taken.indices { taken[index]?.forget() }
        matchers[stage] = taken
    }

    /// Gives back what an unusually long word took.
    mutating func trim() {
        scratch.trim()
        unigram.trim()
    }
}
