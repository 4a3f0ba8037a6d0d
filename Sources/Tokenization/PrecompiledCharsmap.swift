// SentencePiece's compiled normalisation rules, as `tokenizer.json` and GGUF files carry them along.

import FileSupport

/// Rewrites characters by a table of rules, most often NFKC with a few additions.
///
/// The bytes are the length of a trie, the trie, and the texts that it leads to, each ended by a zero byte. The trie is a
/// double array (darts-clone): 32-bit units, in which a child stands at the parent's offset XOR the byte that leads to it.
struct PrecompiledCharsmap: Sendable {
    /// The bytes as the file has them.
    let source: [UInt8]
    private let units: [UInt32]
    private let texts: [UInt8]
    /// What becomes of each ASCII character that is a grapheme of its own; nil where it stays.
    private let ofASCII: [Range<Int>?]

    /// Texts longer than this are refused, which bounds what a text can grow to. NFKC's longest has 33 bytes.
    static let longestText = 256
    /// Graphemes of fewer bytes are looked up whole.
    private static let firstLongGrapheme = 6

    init(_ bytes: [UInt8], location: String) throws(InputError) {
        guard bytes.count >= 4 else {
            throw InputError(location, expected: "at least 4 bytes", found: "\(bytes.count)")
        }
        let length = Int(Self.number(bytes, at: 0))
        guard length > 0, length % 4 == 0, length <= bytes.count - 4 else {
            throw InputError(
                location, expected: "a trie of a multiple of 4 bytes, at most \(bytes.count - 4)",
                found: "\(length)")
        }
        source = bytes
        units = stride(from: 4, to: 4 + length, by: 4).map { Self.number(bytes, at: $0) }
        texts = Array(bytes[(4 + length)...])
        guard String(validating: texts, as: UTF8.self) != nil else {
            throw InputError(location, expected: "normalised texts in UTF-8", found: "other bytes")
        }
        let longest = texts.split(separator: 0).map(\.count).max() ?? 0
        guard longest <= Self.longestText else {
            throw InputError(
                location, expected: "normalised texts of at most \(Self.longestText) bytes",
                found: "\(longest)")
        }
        var ofASCII: [Range<Int>?] = []
        for byte in 0..<128 as Range<UInt8> {
            ofASCII.append(Self.firstText(of: CollectionOfOne(byte), units: units, texts: texts))
        }
        self.ofASCII = ofASCII
    }

    private static func number(_ bytes: [UInt8], at position: Int) -> UInt32 {
        (0..<4).reduce(0) { $0 | UInt32(bytes[position + $1]) << (8 * UInt32($1)) }
    }

    /// What stands for the shortest rule that the bytes start with. Every index comes from the file, so each is checked.
    private static func firstText(of bytes: some Sequence<UInt8>, units: [UInt32], texts: [UInt8]) -> Range<
        Int
    >? {
        func offset(_ unit: UInt32) -> Int { Int(unit >> 10) << Int((unit & 0x200) >> 6) }
        var position = offset(units[0])
        for byte in bytes {
            // A zero byte ends the text.
            guard byte != 0 else { return nil }
            position ^= Int(byte)
            guard position < units.count, units[position] & 0x8000_00FF == UInt32(byte) else { return nil }
            let hasText = units[position] & 0x100 != 0
            position ^= offset(units[position])
            if hasText {
                guard position < units.count else { return nil }
                let start = Int(units[position] & 0x7FFF_FFFF)
                guard start <= texts.count else { return nil }
                return start..<(texts[start...].firstIndex(of: 0) ?? texts.count)
            }
        }
        return nil
    }

    /// Appends what `bytes`, a grapheme, becomes; false where it stays as it is.
    ///
    /// A short grapheme is looked up whole, with the oddity that a rule for its start replaces all of it; what is left is
    /// looked up character by character. This is what Hugging Face tokenizers does, after SentencePiece.
    private func append(_ grapheme: Slice<UnsafeBufferPointer<UInt8>>, to result: inout [UInt8]) -> Bool {
        if grapheme.count < Self.firstLongGrapheme,
            let text = Self.firstText(of: grapheme, units: units, texts: texts)
        {
            result += texts[text]
            return true
        }
        var isChanged = false
        var rest = grapheme
        while !rest.isEmpty {
            let length = decodeScalar(rest.base, at: rest.startIndex, end: rest.endIndex).length
            if let text = Self.firstText(of: rest.prefix(length), units: units, texts: texts) {
                result += texts[text]
                isChanged = true
            } else {
                result += rest.prefix(length)
            }
            rest = rest.dropFirst(length)
        }
        return isChanged
    }

    /// Nil where no rule applies. Bytes that are not valid UTF-8 stay, and end a grapheme.
    func applied(to bytes: UnsafeBufferPointer<UInt8>) -> [UInt8]? {
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count + bytes.count / 8 + 16)
        var isChanged = false
        var position = 0
        while position < bytes.count {
            if isASCIIGrapheme(bytes, at: position) {
                if let text = ofASCII[Int(bytes[position])] {
                    result += texts[text]
                    isChanged = true
                } else {
                    result.append(bytes[position])
                }
                position += 1
                continue
            }
            let scalar = decodeScalar(bytes, at: position, end: bytes.count)
            if scalar.codePoint == DecodedScalar.invalid {
                result += bytes[position..<(position + scalar.length)]
                position += scalar.length
                continue
            }
            let end = endOfStretch(bytes, from: position)
            let stretch = String(decoding: bytes[position..<end], as: UTF8.self)
            var start = stretch.startIndex
            while start < stretch.endIndex {
                let next = stretch.index(after: start)
                let length = stretch.utf8.distance(from: start, to: next)
                isChanged = append(bytes[position..<(position + length)], to: &result) || isChanged
                position += length
                start = next
            }
        }
        return isChanged ? result : nil
    }

    /// Whether an ASCII character stands there that nothing joins.
    private func isASCIIGrapheme(_ bytes: UnsafeBufferPointer<UInt8>, at position: Int) -> Bool {
        guard bytes[position] < 0x80 else { return false }
        guard position + 1 < bytes.count else { return true }
        return bytes[position + 1] < 0x80
            && !(bytes[position] == UInt8(ascii: "\r") && bytes[position + 1] == UInt8(ascii: "\n"))
    }

    /// Where text that has to be divided into graphemes ends: behind an ASCII character with another one behind it,
    /// or before a byte that is not UTF-8.
    private func endOfStretch(_ bytes: UnsafeBufferPointer<UInt8>, from start: Int) -> Int {
        var position = start
        while position < bytes.count {
            let scalar = decodeScalar(bytes, at: position, end: bytes.count)
            if scalar.codePoint == DecodedScalar.invalid { return position }
            if position > start, isASCIIGrapheme(bytes, at: position) { return position + 1 }
            position += scalar.length
        }
        return position
    }
}

extension PrecompiledCharsmap: Equatable {
    static func == (left: PrecompiledCharsmap, right: PrecompiledCharsmap) -> Bool {
        left.source == right.source
    }
}
