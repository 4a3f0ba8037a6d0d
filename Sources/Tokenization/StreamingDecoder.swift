// Decoding token by token, for text that is shown while it is generated.

/// Turns ids into text as they come, and holds back what later tokens could still change: a character whose bytes are not
/// all there, and for models that spell unknown characters in byte tokens the whole run of these.
///
/// The pieces, joined, equal ``Tokenizer/decode(_:skipSpecialTokens:)`` of all ids.
public struct StreamingDecoder: Sendable {
    private let tokenizer: Tokenizer
    private let skipSpecialTokens: Bool
    private var decoding: TokenDecoding
    /// The start of a character that is not complete; at most three bytes.
    private var pending: [UInt8] = []

    /// - Parameter skipSpecialTokens: leave special tokens out of the text.
    public init(_ tokenizer: Tokenizer, skipSpecialTokens: Bool) {
        self.tokenizer = tokenizer
        self.skipSpecialTokens = skipSpecialTokens
        decoding = TokenDecoding(tokenizer.decoder)
    }

    /// The text that is certain after one more token; often empty for scripts that take several tokens a character.
    public mutating func append(_ id: Int32) -> String {
        if skipSpecialTokens, tokenizer.isSpecial(id) { return "" }
        guard tokenizer.vocabulary.spelling(of: id) != .absent else { return "" }
        decoding.append(tokenizer.vocabulary.bytes(of: id), to: &pending)
        let complete = pending.count - incompleteSuffixLength
        guard complete > 0 else { return "" }
        defer { pending.removeFirst(complete) }
        return String(decoding: pending[..<complete], as: UTF8.self)
    }

    /// What is left at the end: U+FFFD for a character that never became complete, otherwise nothing.
    public mutating func finish() -> String {
        decoding.finish(to: &pending)
        defer { pending = [] }
        return String(decoding: pending, as: UTF8.self)
    }

    /// How many of the last bytes start a character that more bytes could complete.
    private var incompleteSuffixLength: Int {
        for length in 1...3 where length <= pending.count {
            let start = pending.count - length
            if pending[start] & 0xC0 == 0x80 { continue }
            guard let shape = UTF8SequenceShape(first: pending[start]), length < shape.length,
                length == 1 || shape.secondBytes.contains(pending[start + 1])
            else { return 0 }
            return length
        }
        return 0
    }
}
