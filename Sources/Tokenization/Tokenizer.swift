// The tokenizer: text to token ids and back.

import FileSupport
import Synchronization

/// Turns text into the token ids of a model, and ids into text: byte-level BPE, BPE in SentencePiece's manner, Unigram.
///
/// It gives the ids that the Hugging Face `tokenizers` library gives for the same files. It is immutable and may be used
/// from any number of threads at once.
///
/// Vocabularies write spaces in their own ways, as "Ġ" in GPT-2's byte alphabet or as "▁"; ``token(of:)`` and
/// ``id(ofToken:)`` speak that spelling, ``bytes(of:)`` the bytes of the text that a token stands for.
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
    let decoder: TokenDecoder
    private let wordEncoder: WordEncoder
    private let stages: [PreTokenizer.Stage]
    private let normalizer: Normalizer
    private let specialIDs: Set<Int32>
    private let originalTextTokens: AddedTokenSet
    private let normalizedTextTokens: AddedTokenSet
    /// Working memory that no call uses at the moment; each call takes one and puts it back.
    private let workspaces = Mutex<[EncodingWorkspace]>([])

    /// Builds the tables of a tokenizer.
    init(_ definition: TokenizerDefinition) throws(InputError) {
        let added = try AddedTokenTables(definition)
        vocabulary = try Vocabulary(
            added.allTokens, usesByteAlphabet: definition.usesByteAlphabet, location: definition.location)
        wordEncoder = try WordEncoder(definition, vocabulary: vocabulary, addedOnly: added.addedOnly)
        stages = try definition.preTokenizer.stages(location: definition.location)
        normalizer = definition.normalizer
        decoder = definition.decoder
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

    /// Whether text is matched against regular expressions that have no scanner of their own, which takes longer.
    package var usesPatterns: Bool {
        let splits = stages.flatMap(\.steps).contains { step in
            if case .split(let pattern) = step { pattern.source.isRegularExpression } else { false }
        }
        let replacements = normalizer.steps.contains { step in
            if case .replace(let replacement) = step {
                replacement.pattern.isRegularExpression
            } else {
                false
            }
        }
        return splits || replacements
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
    /// A byte that is not part of valid UTF-8 is kept as it is, and divides words as U+FFFD would in its place; so for a
    /// byte-level model that does not normalise, ``bytes(of:)`` of the result, joined, are the bytes given.
    public func encode(
        bytes: [UInt8], addSpecialTokens: Bool, recognizeSpecialTokens: Bool = true
    ) -> [Int32] {
        bytes.withUnsafeBufferPointer {
            encode($0, addSpecialTokens: addSpecialTokens, recognizeSpecialTokens: recognizeSpecialTokens)
        }
    }

    /// The token ids of a text that comes in parts, part by part.
    ///
    /// No token crosses from one part into the next, as when a model goes on where a prompt ends. In all else the parts
    /// are encoded as the one text that they are: what some tokenizers put before a text, most often a space, does not
    /// come again before a part that continues it.
    public func encode(parts: [String]) -> [[Int32]] {
        var start = PartStart.text
        return parts.map { part in
            var part = part
            return part.withUTF8 {
                var output: [Int32] = []
                if !$0.isEmpty { encode($0, recognizeSpecialTokens: true, start: &start, into: &output) }
                return output
            }
        }
    }

    private func encode(
        _ bytes: UnsafeBufferPointer<UInt8>, addSpecialTokens: Bool, recognizeSpecialTokens: Bool
    ) -> [Int32] {
        var output = addSpecialTokens ? prefix : []
        output.reserveCapacity(bytes.count / 3 + 16)
        var start = PartStart.text
        encode(bytes, recognizeSpecialTokens: recognizeSpecialTokens, start: &start, into: &output)
        if addSpecialTokens { output += suffix }
        return output
    }

    /// - Parameter start: where in a longer text the bytes start; becomes where they end.
    private func encode(
        _ bytes: UnsafeBufferPointer<UInt8>, recognizeSpecialTokens: Bool, start: inout PartStart,
        into output: inout [Int32]
    ) {
        var workspace = workspaces.withLock { $0.popLast() } ?? EncodingWorkspace()
        for section in originalTextTokens.sections(
            of: bytes, in: 0..<bytes.count, recognizeSpecialTokens: recognizeSpecialTokens)
        {
            if let token = section.token {
                output.append(token)
                start = .section
            } else {
                let text = UnsafeBufferPointer(rebasing: bytes[section.range])
                start = normalizer.withNormalized(text, start: start) { normalized, start in
                    encodeNormalized(
                        normalized, start: start, recognizeSpecialTokens: recognizeSpecialTokens,
                        workspace: &workspace, into: &output)
                }
            }
        }
        workspace.trim()
        workspaces.withLock { $0.append(workspace) }
    }

    /// Returns where the text ends, for a part that continues it.
    private func encodeNormalized(
        _ bytes: UnsafeBufferPointer<UInt8>, start: PartStart, recognizeSpecialTokens: Bool,
        workspace: inout EncodingWorkspace, into output: inout [Int32]
    ) -> PartStart {
        var start = start
        for section in normalizedTextTokens.sections(
            of: bytes, in: 0..<bytes.count, recognizeSpecialTokens: recognizeSpecialTokens)
        {
            if let token = section.token {
                output.append(token)
                start = .piece
            } else {
                encodePieces(
                    bytes, in: section.range, start: start, stage: 0, workspace: &workspace, into: &output)
                start = .inside
            }
        }
        return start
    }

    /// Runs a stage of the pre-tokenizer on a piece, and the later ones on the pieces that it makes.
    ///
    /// - Parameter start: where in the text the piece starts.
    private func encodePieces(
        _ bytes: UnsafeBufferPointer<UInt8>, in range: Range<Int>, start: PartStart, stage index: Int,
        workspace: inout EncodingWorkspace, into output: inout [Int32]
    ) {
        if let changed = stages[index].rewrite?.applied(bytes[range], start: start) {
            changed.withUnsafeBufferPointer {
                encodeSplit(
                    $0, in: 0..<$0.count, start: start, stage: index, workspace: &workspace, into: &output)
            }
        } else {
            encodeSplit(
                bytes, in: range, start: start, stage: index, workspace: &workspace, into: &output)
        }
    }

    private func encodeSplit(
        _ bytes: UnsafeBufferPointer<UInt8>, in range: Range<Int>, start: PartStart, stage index: Int,
        workspace: inout EncodingWorkspace, into output: inout [Int32]
    ) {
        var pieces = PieceCursor(
            scanner: TextScanner(bytes: bytes, classes: CharacterClasses.shared), range: range,
            steps: stages[index].steps, matchers: workspace.takeMatchers(index, for: stages[index].steps))
        while let piece = pieces.next() {
            if index + 1 < stages.count {
                encodePieces(
                    bytes, in: piece, start: piece.lowerBound == range.lowerBound ? start : .piece,
                    stage: index + 1, workspace: &workspace, into: &output)
            } else {
                wordEncoder.encode(bytes, in: piece, workspace: &workspace, into: &output)
            }
        }
        workspace.putBack(pieces.takeMatchers(), index)
    }

    // MARK: Decoding

    /// The text of a sequence of ids. Bytes that are not valid UTF-8 become U+FFFD; unknown ids have no text.
    public func decode(_ ids: [Int32], skipSpecialTokens: Bool) -> String {
        var text: [UInt8] = []
        var decoding = TokenDecoding(decoder)
        for id in ids where !(skipSpecialTokens && isSpecial(id)) && vocabulary.spelling(of: id) != .absent {
            decoding.append(vocabulary.bytes(of: id), to: &text)
        }
        decoding.finish(to: &text)
        return String(decoding: text, as: UTF8.self)
    }

    // MARK: Questions

    /// The highest token id plus one: the least number of rows that an embedding needs.
    public var vocabularySize: Int { vocabulary.size }

    /// Whether `decode` leaves this token out when it skips special tokens.
    public func isSpecial(_ id: Int32) -> Bool { specialIDs.contains(id) }

    /// All special tokens, in order of their ids.
    public var specialTokenIDs: [Int32] { specialIDs.sorted() }

    /// What a token decodes to inside a text, which need not be valid UTF-8 on its own; nil for an id without a token.
    public func bytes(of id: Int32) -> [UInt8]? {
        vocabulary.spelling(of: id) == .absent
            ? nil : decoder.bytes(ofInnerToken: vocabulary.bytes(of: id))
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

    /// The id of the token whose bytes in the vocabulary are these: of a byte-level model the bytes that it stands for,
    /// of others its spelling in UTF-8.
    public func id(ofBytes bytes: [UInt8]) -> Int32? {
        bytes.withUnsafeBufferPointer { vocabulary.id(of: $0) }
    }
}
