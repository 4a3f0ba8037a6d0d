// The tokens that byte-pair merging starts from: one a byte or a character, byte tokens or the unknown token otherwise.

import FileSupport

struct SeedTokens: Sendable {
    private let vocabulary: Vocabulary
    /// Whether a word starts from its bytes, not from its characters.
    private let isByteLevel: Bool
    /// The token of each byte, or with characters of each ASCII character; -1 where the vocabulary lacks it.
    private let singleByteTokens: [Int32]
    /// The tokens `<0x00>` to `<0xFF>` that characters fall back to, -1 where one is missing; empty for no fallback.
    let fallbackTokens: [Int32]
    private let unknownToken: Int32?
    private let fusesUnknown: Bool
    /// Ids that no text becomes.
    private let addedOnly: Set<Int32>

    init(_ definition: TokenizerDefinition, vocabulary: Vocabulary, addedOnly: Set<Int32>) throws(InputError)
    {
        self.vocabulary = vocabulary
        self.addedOnly = addedOnly
        isByteLevel = definition.usesByteAlphabet
        let singles = (0...255).map { byte in
            withUnsafeBytes(of: UInt8(byte)) { vocabulary.id(of: $0.bindMemory(to: UInt8.self)) }
                .flatMap { addedOnly.contains($0) ? nil : $0 } ?? -1
        }
        singleByteTokens = singles
        fallbackTokens =
            definition.fallsBackToBytes
            ? (0...255).map { byte in
                vocabulary.id(ofToken: TokenDecoder.token(ofByte: UInt8(byte)))
                    .flatMap { addedOnly.contains($0) ? nil : $0 } ?? -1
            } : []
        fusesUnknown = definition.fusesUnknown
        unknownToken = try definition.unknownToken.map { token throws(InputError) in
            guard let id = vocabulary.id(ofToken: token) else {
                throw InputError(
                    definition.location, "the unknown token \"\(token)\" is not in the vocabulary")
            }
            return id
        }
        guard !(isByteLevel && definition.fallsBackToBytes && singles.contains(-1)) else {
            throw InputError(
                definition.location,
                "byte_fallback is not supported for a vocabulary in the byte alphabet that lacks some bytes")
        }
    }

    /// Whether every text has seeds of its own, so that nothing is ever unknown.
    var coversEverything: Bool { fallbackTokens.count == 256 && !fallbackTokens.contains(-1) }

    /// Writes the seeds of a word, at most one a byte, and returns how many there are.
    func write(_ word: UnsafeBufferPointer<UInt8>, to tokens: inout [Int32]) -> Int {
        tokens.withUnsafeMutableBufferPointer { tokens in
            var count = 0
            // An unknown token waits for the next known character, which those in byte tokens are not.
            var isUnknownPending = false
            var position = 0
            while position < word.count {
                let length =
                    isByteLevel ? 1 : decodeScalar(word, at: position, end: word.count).length
                let character = UnsafeBufferPointer(rebasing: word[position..<(position + length)])
                position += length
                let token = length == 1 ? single(character[0]) : id(of: character)
                if token >= 0 {
                    if isUnknownPending, let unknownToken {
                        tokens[count] = unknownToken
                        count += 1
                        isUnknownPending = false
                    }
                    tokens[count] = token
                    count += 1
                } else if !fallbackTokens.isEmpty, character.allSatisfy({ fallbackTokens[Int($0)] >= 0 }) {
                    for byte in character {
                        tokens[count] = fallbackTokens[Int(byte)]
                        count += 1
                    }
                } else if let unknownToken {
                    if isUnknownPending, !fusesUnknown {
                        tokens[count] = unknownToken
                        count += 1
                    }
                    isUnknownPending = true
                }
            }
            if isUnknownPending, let unknownToken {
                tokens[count] = unknownToken
                count += 1
            }
            return count
        }
    }

    /// A byte that is not part of valid UTF-8 has no token of its own among characters.
    @inline(__always)
    private func single(_ byte: UInt8) -> Int32 {
        isByteLevel || byte < 0x80 ? singleByteTokens[Int(byte)] : -1
    }

    private func id(of character: UnsafeBufferPointer<UInt8>) -> Int32 {
        guard let id = vocabulary.id(of: character), addedOnly.isEmpty || !addedOnly.contains(id) else {
            return -1
        }
        return id
    }
}
