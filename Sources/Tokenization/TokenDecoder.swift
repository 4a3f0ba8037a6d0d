// From tokens to text: the decoder of a model, one token after another.

/// The decoder of a model, as data. Each step turns the tokens that the step before gives into others.
struct TokenDecoder: Equatable, Sendable {
    enum Step: Equatable, Sendable {
        /// GPT-2's byte alphabet. Vocabularies in it hold the bytes, so nothing is left to do.
        case byteLevel
        case replace(Replacement)
        /// Runs of `<0xE4>` become characters; a run that is not UTF-8 becomes one U+FFFD a byte.
        case byteFallback
        /// All tokens become one.
        case fuse
        /// Takes up to so many of a character from each end of a token.
        case strip(content: Unicode.Scalar, start: Int, stop: Int)
        /// The replacement becomes a space, or in the first token nothing, unless the scheme is `never`.
        case metaspace(replacement: Unicode.Scalar, prependScheme: Metaspace.PrependScheme)
    }

    var steps: [Step]

    static let byteLevel = TokenDecoder(steps: [.byteLevel])

    var hasMetaspace: Bool {
        steps.contains { if case .metaspace = $0 { true } else { false } }
    }

    /// The byte that `<0xE4>` stands for; nil for other tokens.
    static func byte(ofToken token: some Collection<UInt8>) -> UInt8? {
        guard token.count == 6, token.starts(with: "<0x".utf8), token.dropFirst(5).first == UInt8(ascii: ">")
        else {
            return nil
        }
        return UInt8(String(decoding: token.dropFirst(3).prefix(2), as: UTF8.self), radix: 16)
    }

    static func token(ofByte byte: UInt8) -> String {
        let digits = String(byte, radix: 16, uppercase: true)
        return "<0x" + (digits.utf8.count < 2 ? "0" : "") + digits + ">"
    }

    /// The bytes that a token stands for somewhere inside a text.
    func bytes(ofInnerToken token: ArraySlice<UInt8>) -> [UInt8] {
        var bytes = Array(token)
        for step in steps {
            switch step {
            case .replace(let replacement):
                bytes = bytes.withUnsafeBufferPointer(replacement.applied) ?? bytes
            case .byteFallback:
                bytes = Self.byte(ofToken: bytes).map { [$0] } ?? bytes
            case .metaspace(let replacement, _):
                bytes = TokenDecoding.replacing(replacement, with: [UInt8(ascii: " ")], in: bytes)
            case .byteLevel, .fuse, .strip:
                break
            }
        }
        return bytes
    }
}

/// One decoding that is under way.
struct TokenDecoding: Sendable {
    private let steps: [TokenDecoder.Step]
    /// Whether `metaspace` has had no token yet.
    private var isFirst = true
    /// Bytes of a run that has not ended, for the step `byteFallback`.
    private var run: [UInt8] = []
    /// How many characters `strip` may still take from the start of the text behind `fuse`.
    private var leftToStrip: [Int?]
    private let fuseIndex: Int

    init(_ decoder: TokenDecoder) {
        steps = decoder.steps
        leftToStrip = steps.map { if case .strip(_, let start, _) = $0 { start } else { nil } }
        fuseIndex = steps.firstIndex(of: .fuse) ?? steps.count
    }

    /// Appends the text that is certain after one more token.
    mutating func append(_ token: ArraySlice<UInt8>, to text: inout [UInt8]) {
        if steps == TokenDecoder.byteLevel.steps {
            text += token
            return
        }
        feed(Array(token), step: 0, to: &text)
    }

    /// Appends what was held back.
    mutating func finish(to text: inout [UInt8]) {
        if let step = steps.firstIndex(of: .byteFallback) { endRun(step: step, to: &text) }
    }

    private mutating func feed(_ token: [UInt8], step index: Int, to text: inout [UInt8]) {
        guard index < steps.count else {
            text += token
            return
        }
        var token = token
        switch steps[index] {
        case .byteLevel, .fuse:
            break
        case .replace(let replacement):
            token = token.withUnsafeBufferPointer(replacement.applied) ?? token
        case .byteFallback:
            if let byte = TokenDecoder.byte(ofToken: token) {
                run.append(byte)
                return
            }
            endRun(step: index, to: &text)
        case .strip(let content, let start, let stop):
            token = strip(token, index, content, start: start, stop: stop)
        case .metaspace(let replacement, let prependScheme):
            token = Self.replacing(
                replacement, with: isFirst && prependScheme != .never ? [] : [UInt8(ascii: " ")], in: token)
            isFirst = false
        }
        feed(token, step: index + 1, to: &text)
    }

    private mutating func endRun(step index: Int, to text: inout [UInt8]) {
        guard !run.isEmpty else { return }
        let bytes = run
        run = []
        if String(validating: bytes, as: UTF8.self) != nil {
            feed(bytes, step: index + 1, to: &text)
        } else {
            for _ in bytes { feed(Array("\u{FFFD}".utf8), step: index + 1, to: &text) }
        }
    }

    private mutating func strip(
        _ token: [UInt8], _ index: Int, _ content: Unicode.Scalar, start: Int, stop: Int
    ) -> [UInt8] {
        let character = Array(String(content).utf8)
        var rest = token[...]
        var count = index > fuseIndex ? leftToStrip[index] ?? 0 : start
        while count > 0, rest.starts(with: character) {
            rest = rest.dropFirst(character.count)
            count -= 1
        }
        if index > fuseIndex {
            // The start of the text is behind us with the first character of another kind.
            leftToStrip[index] = rest.isEmpty ? count : 0
        } else {
            for _ in 0..<stop
            where rest.count >= character.count && rest.suffix(character.count) == character[...] {
                rest = rest.dropLast(character.count)
            }
        }
        return Array(rest)
    }

    static func replacing(_ scalar: Unicode.Scalar, with content: [UInt8], in token: [UInt8]) -> [UInt8] {
        let character = Array(String(scalar).utf8)
        var result: [UInt8] = []
        var rest = token[...]
        while let first = rest.first {
            if first == character[0], rest.starts(with: character) {
                result += content
                rest = rest.dropFirst(character.count)
            } else {
                result.append(first)
                rest = rest.dropFirst()
            }
        }
        return result
    }
}
