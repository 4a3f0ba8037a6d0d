// Constant-time lookup of the character class of a code point, and decoding of UTF-8 that may be invalid.

/// The classes that the patterns of pre-tokenizers distinguish.
enum CharacterClass {
    static let other: UInt8 = 0
    /// `\p{L}`
    static let letter: UInt8 = 1
    /// `\p{N}`
    static let number: UInt8 = 2
    /// `\s`, the White_Space property.
    static let space: UInt8 = 3
}

/// The general categories, in the order in which the generated runs number them.
enum GeneralCategory {
    static let names = [
        "Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No", "Pc", "Pd", "Ps", "Pe", "Pi", "Pf",
        "Po", "Sm", "Sc", "Sk", "So", "Zs", "Zl", "Zp", "Cc", "Cf", "Cs", "Co", "Cn",
    ]

    /// The value of a run: general category, and two properties that are not unions of categories.
    struct Value {
        let bits: UInt32

        var number: Int { Int(bits & 31) }
        var isWord: Bool { bits & 32 != 0 }
        var isSpace: Bool { bits & 64 != 0 }

        /// Whether the category is one of these, each named by one letter ("L") or by two ("Lu").
        func isIn(_ category: String) -> Bool {
            number < names.count && names[number].utf8.starts(with: category.utf8)
        }

        fileprivate var flags: UInt8 {
            let kind =
                isSpace
                ? CharacterClass.space
                : isIn("L") ? CharacterClass.letter : isIn("N") ? CharacterClass.number : CharacterClass.other
            return kind | (isWord ? 4 : 0)
        }
    }

    /// The runs of all code points, in order: where each starts, where the next does, and what it is.
    static func forEachRun(_ body: (Range<UInt32>, Value) -> Void) {
        let runs = CharacterClassRuns.runs
        for (index, run) in runs.enumerated() {
            let end = index + 1 < runs.count ? runs[index + 1] >> 7 : 0x110000
            body((run >> 7)..<end, Value(bits: run & 127))
        }
    }
}

/// A two-stage table over all code points, expanded once from the generated runs.
struct CharacterClasses: Sendable {
    static let shared = CharacterClasses()

    private let blockOfPrefix: [UInt16]
    private let classes: [UInt8]

    private static let blockBits: UInt32 = 7
    private static let blockSize = 1 << Int(blockBits)

    private init() {
        var flags: [UInt8] = []
        flags.reserveCapacity(0x110000)
        GeneralCategory.forEachRun { range, value in
            flags.append(contentsOf: repeatElement(value.flags, count: range.count))
        }
        var blockOfPrefix: [UInt16] = []
        var classes: [UInt8] = []
        var blockNumbers: [ArraySlice<UInt8>: UInt16] = [:]
        for start in stride(from: 0, to: flags.count, by: Self.blockSize) {
            let block = flags[start..<(start + Self.blockSize)]
            if blockNumbers[block] == nil {
                blockNumbers[block] = UInt16(blockNumbers.count)
                classes += block
            }
            blockOfPrefix.append(blockNumbers[block] ?? 0)
        }
        self.blockOfPrefix = blockOfPrefix
        self.classes = classes
    }

    /// A `CharacterClass`; `other` beyond U+10FFFF.
    @inline(__always)
    func characterClass(of codePoint: UInt32) -> UInt8 { flags(of: codePoint) & 3 }

    /// Whether the code point matches `\w`.
    func isWord(_ codePoint: UInt32) -> Bool { flags(of: codePoint) & 4 != 0 }

    @inline(__always)
    private func flags(of codePoint: UInt32) -> UInt8 {
        guard codePoint < 0x110000 else { return CharacterClass.other }
        let block = Int(blockOfPrefix[Int(codePoint >> Self.blockBits)])
        return classes[block * Self.blockSize + Int(codePoint) % Self.blockSize]
    }
}

/// One step of reading UTF-8: the code point and how many bytes it takes.
struct DecodedScalar {
    var codePoint: UInt32
    var length: Int
    /// What stands for a byte that is not part of valid UTF-8: beyond Unicode, so its class is `other`, as U+FFFD's is.
    static let invalid: UInt32 = 0xFFFF_FFFF
}

/// Reads the scalar at `position`; a byte that starts no valid sequence before `end` is one `invalid` of length 1.
@inline(__always)
func decodeScalar(_ bytes: UnsafeBufferPointer<UInt8>, at position: Int, end: Int) -> DecodedScalar {
    let first = bytes[position]
    if first < 0x80 { return DecodedScalar(codePoint: UInt32(first), length: 1) }
    return decodeMultibyteScalar(bytes, at: position, end: end)
}

private func decodeMultibyteScalar(
    _ bytes: UnsafeBufferPointer<UInt8>, at position: Int, end: Int
) -> DecodedScalar {
    let first = bytes[position]
    let invalid = DecodedScalar(codePoint: DecodedScalar.invalid, length: 1)
    guard let shape = UTF8SequenceShape(first: first), position + shape.length <= end,
        shape.secondBytes.contains(bytes[position + 1])
    else { return invalid }
    var codePoint = UInt32(first) & (0x7F >> UInt32(shape.length))
    for offset in 1..<shape.length {
        let byte = bytes[position + offset]
        guard byte & 0xC0 == 0x80 else { return invalid }
        codePoint = codePoint << 6 | UInt32(byte & 0x3F)
    }
    return DecodedScalar(codePoint: codePoint, length: shape.length)
}

/// What the first byte of a multi-byte character says about the rest.
struct UTF8SequenceShape {
    /// Bytes of the whole character, 2 to 4.
    var length: Int
    /// Second bytes that exclude overlong forms, surrogates and what lies beyond U+10FFFF.
    var secondBytes: ClosedRange<UInt8>

    /// Nil for a byte that starts no multi-byte character.
    @inline(__always)
    init?(first: UInt8) {
        switch first {
        case 0xC2...0xDF: (length, secondBytes) = (2, 0x80...0xBF)
        case 0xE0: (length, secondBytes) = (3, 0xA0...0xBF)
        case 0xED: (length, secondBytes) = (3, 0x80...0x9F)
        case 0xE1...0xEF: (length, secondBytes) = (3, 0x80...0xBF)
        case 0xF0: (length, secondBytes) = (4, 0x90...0xBF)
        case 0xF1...0xF3: (length, secondBytes) = (4, 0x80...0xBF)
        case 0xF4: (length, secondBytes) = (4, 0x80...0x8F)
        default: return nil
        }
    }
}

/// Where the character that ends at `end` starts, read as `decodeScalar` reads; nil at the start of the text.
func characterStart(_ bytes: UnsafeBufferPointer<UInt8>, before end: Int, from start: Int) -> Int? {
    guard end > start else { return nil }
    if bytes[end - 1] < 0x80 { return end - 1 }
    for length in 2...4 where end - length >= start {
        if decodeScalar(bytes, at: end - length, end: end).length == length { return end - length }
    }
    return end - 1
}
