// What every tokenizer file comes down to, before the fast tables are built from it.

/// A tokenizer as plain data; readers of the file formats produce it, `Tokenizer` consumes it.
struct TokenizerDefinition: Sendable {
    struct Token: Sendable {
        /// As the file writes it: in the byte alphabet for tokens of byte-level models, as it is for added ones.
        var content: String
        var id: Int
    }

    struct Merge: Sendable {
        var left: String
        var right: String
    }

    struct AddedToken: Sendable {
        var content: String
        var id: Int
        /// What is looked for; nil where that is the content. Normalised tokens look for their normalised content.
        var pattern: String?
        /// Special tokens are left out by `decode` where that is asked for.
        var isSpecial = false
        /// Takes the white space to its left into the match.
        var stripsLeft = false
        var stripsRight = false
        /// Matches only where no word character touches it.
        var isSingleWord = false
        /// Is looked for in normalised text, after those that are not.
        var isNormalized = false
    }

    enum Model: Sendable {
        /// Byte-pair merges. `usesByteAlphabet`: over bytes, in GPT-2's alphabet; otherwise over characters.
        case bytePairs(usesByteAlphabet: Bool)
        /// The likeliest segmentation; one score a token, by id.
        case unigram(scores: [Double])
    }

    /// Where the definition came from, for errors.
    var location: String
    var model = Model.bytePairs(usesByteAlphabet: true)
    var tokens: [Token] = []
    /// In order of priority.
    var merges: [Merge] = []
    /// The priority of each token, by id, where the file has that instead of merges: the pairs that make up a token
    /// are merged in that order, the highest first.
    var mergePriorities: [Double]?
    var addedTokens: [AddedToken] = []
    var normalizer = Normalizer.none
    var preTokenizer = PreTokenizer.gpt2
    var decoder = TokenDecoder.byteLevel
    /// A word that is a token is that token, whatever the merges would give.
    var ignoresMerges = false
    /// What is not in the vocabulary is spelled in the tokens `<0x00>` to `<0xFF>`, where all that it takes are there.
    var fallsBackToBytes = false
    /// Stands for what is not in the vocabulary; without it that vanishes.
    var unknownToken: String?
    /// Whether a run of what is unknown is one unknown token.
    var fusesUnknown = false
    /// What `addSpecialTokens` puts before and after a text.
    var prefix: [Int32] = []
    var suffix: [Int32] = []
    var special = SpecialTokens()
    /// Chat templates by name; the usual one is "default".
    var chatTemplates: [String: String] = [:]
}

extension TokenizerDefinition {
    /// Whether the vocabulary is written in GPT-2's byte alphabet.
    var usesByteAlphabet: Bool {
        if case .bytePairs(usesByteAlphabet: true) = model { true } else { false }
    }
}

/// Ids of the tokens that have a part to play; nil where the model has none.
public struct SpecialTokens: Equatable, Sendable {
    /// Starts a text.
    public var beginningOfText: Int32?
    /// Ends a text.
    public var endOfText: Int32?
    /// Fills a batch; never trained on.
    public var padding: Int32?
    /// Stands for what the vocabulary lacks.
    public var unknown: Int32?
    /// Tokens that may end a turn of a conversation, the likeliest first; contains `endOfText`.
    public var endOfTurn: [Int32] = []

    /// No special tokens at all.
    public init() {}
}
