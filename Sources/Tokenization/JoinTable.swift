// Where a text can be cut without changing its tokens: between characters that no merge ever joins.

/// The pairs of neighbouring characters that some merge rule joins, as a filter that may take others for them too.
///
/// Models in SentencePiece's manner merge whole texts, not words. A merge that reaches across the border between two
/// characters joins a token that ends in the one with a token that starts with the other; where no rule has such tokens
/// the two sides are encoded each for itself. Mostly that cuts text into words, which a cache knows.
struct JoinTable: Sendable {
    private var bits: [UInt64]
    private static let bitCount: UInt64 = 21

    /// Nil where a cut could change the tokens: rules that join what stands for bytes, or tokens that are unknown.
    init?(rules: [MergeRule], vocabulary: Vocabulary, seeds: SeedTokens) {
        guard seeds.coversEverything else { return nil }
        let byteTokens = Set(seeds.fallbackTokens)
        bits = [UInt64](repeating: 0, count: 1 << Int(Self.bitCount - 6))
        for rule in rules {
            guard !byteTokens.contains(rule.left), !byteTokens.contains(rule.right) else { return nil }
            let left = vocabulary.bytes(of: rule.left)
            let right = vocabulary.bytes(of: rule.right)
            let place = left.withUnsafeBufferPointer { left in
                right.withUnsafeBufferPointer { right -> UInt64? in
                    guard let last = characterStart(left, before: left.count, from: 0), !right.isEmpty else {
                        return nil
                    }
                    return Self.place(
                        decodeScalar(left, at: last, end: left.count).codePoint,
                        decodeScalar(right, at: 0, end: right.count).codePoint)
                }
            }
            guard let place else { return nil }
            bits[Int(place >> 6)] |= 1 << (place & 63)
        }
    }

    @inline(__always)
    private static func place(_ left: UInt32, _ right: UInt32) -> UInt64 {
        ((UInt64(left) << 32 | UInt64(right)) &* 0x9E37_79B9_7F4A_7C15) >> (64 - bitCount)
    }

    /// The end of the first part of a text that is encoded by itself.
    func endOfPart(_ bytes: UnsafeBufferPointer<UInt8>, in range: Range<Int>) -> Int {
        bits.withUnsafeBufferPointer { bits in
            let first = decodeScalar(bytes, at: range.lowerBound, end: range.upperBound)
            var position = range.lowerBound + first.length
            var left = first.codePoint
            while position < range.upperBound {
                let scalar = decodeScalar(bytes, at: position, end: range.upperBound)
                let place = Self.place(left, scalar.codePoint)
                if bits[Int(place >> 6)] >> (place & 63) & 1 == 0 { break }
                left = scalar.codePoint
                position += scalar.length
            }
            return position
        }
    }
}
