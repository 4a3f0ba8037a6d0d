// The tokenizer: text to token ids and back.

import FileSupport
import Synchronization

/// A byte-level BPE tokenizer: turns text into the token ids of a model, and ids into text.
///
/// It gives the ids that the Hugging Face `tokenizers` library gives for the same files. It is immutable and may be used
/// from any number of threads at once.
///
/// Vocabularies are written in GPT-2's byte alphabet, where for instance "Ġ" stands for a space; ``token(of:)`` and
/// ``id(ofToken:)`` speak that spelling, ``bytes(of:)`` and ``id(ofBytes:)`` the bytes themselves.
public final class Tokenizer: Sendable {
    /// The tokens with a part to play: beginning, end, padding, end of turn.
    public let specialTokens: SpecialTokens
    /// Chat templates (Jinja source) that came with the tokenizer, by name; the usual one is "default".
    public let chatTemplates: [String: String]
    /// What `addSpecialTokens` puts before a text.
    public let prefix: [Int32]
    /// What `addSpecialTokens` puts after a text.
    public let suffix: [Int32]

    let vocabulary: Vocabulary
    private let encoder: BytePairEncoder
    private let preTokenizer: PreTokenizer
    private let normalizer: TokenizerDefinition.Normalizer
    private let ignoresMerges: Bool
    /// Ids that only added tokens have: no word of text is one of them.
    private let addedOnly: Set<Int32>
    private let specialIDs: Set<Int32>
    private let originalTextTokens: AddedTokenSet
    private let normalizedTextTokens: AddedTokenSet
    /// Working memory that no call uses at the moment; each call takes one and puts it back.
    private let workspaces = Mutex<[EncodingWorkspace]>([])

    /// Builds the tables of a tokenizer.
    init(_ definition: TokenizerDefinition) throws(InputError) {
        let added = try AddedTokenTables(definition)
        vocabulary = try Vocabulary(added.allTokens, location: definition.location)
        encoder = try BytePairEncoder(definition, vocabulary: vocabulary)
        preTokenizer = definition.preTokenizer
        normalizer = definition.normalizer
        ignoresMerges = definition.ignoresMerges
        addedOnly = added.addedOnly
        specialIDs = added.specialIDs
        originalTextTokens = added.originalText
        normalizedTextTokens = added.normalizedText
        prefix = definition.prefix
        suffix = definition.suffix
        specialTokens = definition.special
        chatTemplates = definition.chatTemplates
        for id in prefix + suffix + specialTokens.endOfTurn where vocabulary.spelling(of: id) == .absent {
            throw InputError(
                definition.location, "the token id \(id) begins or ends texts, but no token has it",
                advice: "The tokenizer and the model's configuration do not belong together")
        }
    }

    // MARK: Encoding

    /// The token ids of a text.
    ///
    /// - Parameters:
    ///   - addSpecialTokens: puts ``prefix`` before and ``suffix`` after, as the tokenizer's files ask for.
    ///   - recognizeSpecialTokens: whether special tokens spelled out in the text become those tokens. Say false for text
    ///     from outside that must not end a turn. Added tokens that are not special are always recognised.
    public func encode(
        _ text: String, addSpecialTokens: Bool, recognizeSpecialTokens: Bool = true
    ) -> [Int32] {
        var text = text
        return text.withUTF8 {
            encode($0, addSpecialTokens: addSpecialTokens, recognizeSpecialTokens: recognizeSpecialTokens)
        }
    }

    /// The token ids of UTF-8 text, which need not be valid.
    ///
    /// A byte that is not part of valid UTF-8 is kept as it is, and divides words as U+FFFD would in its place; so
    /// ``bytes(of:)`` of the result, joined, are the bytes given.
    public func encode(
        bytes: [UInt8], addSpecialTokens: Bool, recognizeSpecialTokens: Bool = true
    ) -> [Int32] {
        bytes.withUnsafeBufferPointer {
            encode($0, addSpecialTokens: addSpecialTokens, recognizeSpecialTokens: recognizeSpecialTokens)
        }
    }

    private func encode(
        _ bytes: UnsafeBufferPointer<UInt8>, addSpecialTokens: Bool, recognizeSpecialTokens: Bool
    ) -> [Int32] {
        var output = addSpecialTokens ? prefix : []
        output.reserveCapacity(bytes.count / 3 + 16)
        var workspace = workspaces.withLock { $0.popLast() } ?? EncodingWorkspace()
        for section in originalTextTokens.sections(
            of: bytes, in: 0..<bytes.count, recognizeSpecialTokens: recognizeSpecialTokens)
        {
            if let token = section.token {
                output.append(token)
            } else {
                let text = UnsafeBufferPointer(rebasing: bytes[section.range])
                normalizer.withNormalized(text) { normalized in
                    encodeNormalized(
                        normalized, recognizeSpecialTokens: recognizeSpecialTokens, workspace: &workspace,
                        into: &output)
                }
            }
        }
        workspace.scratch.trim()
        workspaces.withLock { $0.append(workspace) }
        if addSpecialTokens { output += suffix }
        return output
    }

    private func encodeNormalized(
        _ bytes: UnsafeBufferPointer<UInt8>, recognizeSpecialTokens: Bool,
        workspace: inout EncodingWorkspace, into output: inout [Int32]
    ) {
        for section in normalizedTextTokens.sections(
            of: bytes, in: 0..<bytes.count, recognizeSpecialTokens: recognizeSpecialTokens)
        {
            if let token = section.token {
                output.append(token)
            } else if preTokenizer.addsPrefixSpace, bytes[section.range.lowerBound] != UInt8(ascii: " ") {
                let spaced = [UInt8(ascii: " ")] + bytes[section.range]
                spaced.withUnsafeBufferPointer {
                    encodeWords($0, in: 0..<spaced.count, workspace: &workspace, into: &output)
                }
            } else {
                encodeWords(bytes, in: section.range, workspace: &workspace, into: &output)
            }
        }
    }

    private func encodeWords(
        _ bytes: UnsafeBufferPointer<UInt8>, in range: Range<Int>, workspace: inout EncodingWorkspace,
        into output: inout [Int32]
    ) {
        let scanner = TextScanner(bytes: bytes, classes: CharacterClasses.shared)
        var pieces = PieceCursor(scanner: scanner, range: range, steps: preTokenizer.steps)
        while let piece = pieces.next() {
            let word = UnsafeBufferPointer(rebasing: bytes[piece])
            guard word.count <= WordCache.longestWord else {
                encodeWord(word, workspace: &workspace, into: &output)
                continue
            }
            let key = WordCache.Key(word)
            if workspace.cache.append(key, to: &output) { continue }
            let start = output.count
            encodeWord(word, workspace: &workspace, into: &output)
            workspace.cache.insert(key, tokens: output[start...])
        }
    }

    private func encodeWord(
        _ word: UnsafeBufferPointer<UInt8>, workspace: inout EncodingWorkspace, into output: inout [Int32]
    ) {
        if ignoresMerges, let id = vocabulary.id(of: word), !addedOnly.contains(id) {
            output.append(id)
        } else {
            encoder.encode(word, scratch: &workspace.scratch, into: &output)
        }
    }

    // MARK: Decoding

    /// The text of a sequence of ids. Bytes that are not valid UTF-8 become U+FFFD; unknown ids have no text.
    public func decode(_ ids: [Int32], skipSpecialTokens: Bool) -> String {
        var bytes: [UInt8] = []
        for id in ids where !(skipSpecialTokens && isSpecial(id)) { bytes += vocabulary.bytes(of: id) }
        return String(decoding: bytes, as: UTF8.self)
    }

    // MARK: Questions

    /// The highest token id plus one: the least number of rows that an embedding needs.
    public var vocabularySize: Int { vocabulary.size }

    /// Whether `decode` leaves this token out when it skips special tokens.
    public func isSpecial(_ id: Int32) -> Bool { specialIDs.contains(id) }

    /// All special tokens, in order of their ids.
    public var specialTokenIDs: [Int32] { specialIDs.sorted() }

    /// What a token decodes to, which need not be valid UTF-8 on its own; nil for an id without a token.
    public func bytes(of id: Int32) -> [UInt8]? {
        vocabulary.spelling(of: id) == .absent ? nil : Array(vocabulary.bytes(of: id))
    }

    /// A token as the vocabulary writes it, for instance "Ġthe" or "<|im_end|>"; nil for an id without a token.
    public func token(of id: Int32) -> String? {
        switch vocabulary.spelling(of: id) {
        case .absent: nil
        case .byteLevel: ByteAlphabet.token(ofBytes: vocabulary.bytes(of: id))
        case .literal: String(decoding: vocabulary.bytes(of: id), as: UTF8.self)
        }
    }

    /// The id of a token as the vocabulary writes it, for instance "Ġthe" or "<|im_end|>".
    public func id(ofToken token: String) -> Int32? { vocabulary.id(ofToken: token) }

    /// The id of the token that stands for exactly these bytes.
    public func id(ofBytes bytes: [UInt8]) -> Int32? {
        bytes.withUnsafeBufferPointer { vocabulary.id(of: $0) }
    }
}

/// Everything that one `encode` writes to besides its result.
struct EncodingWorkspace: Sendable {
    var scratch = MergeScratch()
    var cache = WordCache()
}
