// A bounded cache from short words to their tokens: natural text repeats its words.

/// Direct-mapped: a word has one place, and takes it from whoever holds it. One cache line a place, nothing allocated
/// after the start, and exact: the whole word is compared.
struct WordCache: Sendable {
    /// Longest word that is kept, in bytes.
    static let longestWord = 32
    /// Most tokens of a word that is kept.
    static let mostTokens = 7

    /// Eight 64-bit numbers a place: four of the word, then word length (8 bits), token count (8), and seven 32-bit ids
    /// from bit 32 on.
    private var lines: [UInt64]
    private static let placeBits: UInt64 = 14

    init() { lines = [UInt64](repeating: 0, count: 8 << Int(Self.placeBits)) }

    /// A word packed for comparison, zero-padded.
    struct Key: Sendable {
        var parts: (UInt64, UInt64, UInt64, UInt64)
        var length: Int

        /// Packs `word`, which has 1 to 32 bytes.
        @inline(__always)
        init(_ word: UnsafeBufferPointer<UInt8>) {
            parts = (0, 0, 0, 0)
            length = word.count
            withUnsafeMutableBytes(of: &parts) { $0.copyMemory(from: UnsafeRawBufferPointer(word)) }
        }

        @inline(__always)
        var place: Int {
            var hash = (parts.0 ^ UInt64(length)) &* 0x9E37_79B9_7F4A_7C15
            hash = (hash ^ hash >> 32 ^ parts.1) &* 0xD6E8_FEB8_6659_FD93
            if length > 16 {
                hash = (hash ^ hash >> 32 ^ parts.2) &* 0x9E37_79B9_7F4A_7C15
                hash = (hash ^ hash >> 32 ^ parts.3) &* 0xD6E8_FEB8_6659_FD93
            }
            return Int(hash >> (64 - WordCache.placeBits))
        }
    }

    /// Appends the tokens of a known word; false when it is not known.
    @inline(__always)
    func append(_ key: Key, to output: inout [Int32]) -> Bool {
        lines.withUnsafeBufferPointer { lines in
            let line = UnsafeBufferPointer(rebasing: lines[(8 * key.place)..<(8 * key.place + 8)])
            guard line[0] == key.parts.0, line[1] == key.parts.1, line[2] == key.parts.2,
                line[3] == key.parts.3, Int(line[4] & 0xFF) == key.length
            else { return false }
            let count = Int(line[4] >> 8 & 0xFF)
            for index in 1..<(count + 1) {
                output.append(Int32(truncatingIfNeeded: line[4 + index / 2] >> (index % 2 == 0 ? 0 : 32)))
            }
            return true
        }
    }

    /// Remembers the tokens of a word, unless they are too many.
    mutating func insert(_ key: Key, tokens: ArraySlice<Int32>) {
        guard tokens.count <= Self.mostTokens else { return }
        let line = 8 * key.place
        (lines[line], lines[line + 1], lines[line + 2], lines[line + 3]) = key.parts
        lines[line + 4] = UInt64(key.length) | UInt64(tokens.count) << 8
        for index in 5..<8 { lines[line + index] = 0 }
        for (index, token) in zip(1..., tokens) {
            lines[line + 4 + index / 2] |= UInt64(UInt32(bitPattern: token)) << (index % 2 == 0 ? 0 : 32)
        }
    }
}
