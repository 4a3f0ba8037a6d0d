// The printable alphabet in which byte-level vocabularies are written: one character for each of the 256 bytes.

/// GPT-2's mapping: printable Latin-1 bytes stand for themselves, the other 68 for U+0100 onwards, in order.
enum ByteAlphabet {
    /// The code point that stands for each byte.
    static let codePointOfByte: [UInt32] = {
        var next: UInt32 = 0x100
        return (UInt32(0)..<256).map { byte in
            if (0x21...0x7E).contains(byte) || (0xA1...0xAC).contains(byte) || (0xAE...0xFF).contains(byte) {
                return byte
            }
            defer { next += 1 }
            return next
        }
    }()

    /// The byte of each code point below 0x144, or -1 for those outside the alphabet.
    private static let byteOfCodePoint: [Int16] = {
        var bytes = [Int16](repeating: -1, count: 0x144)
        for (byte, codePoint) in codePointOfByte.enumerated() { bytes[Int(codePoint)] = Int16(byte) }
        return bytes
    }()

    /// Appends the bytes that `token` spells; false, and nothing appended, when a character is not in the alphabet.
    static func appendBytes(ofToken token: String, to bytes: inout [UInt8]) -> Bool {
        let start = bytes.count
        for scalar in token.unicodeScalars {
            guard scalar.value < 0x144, byteOfCodePoint[Int(scalar.value)] >= 0 else {
                bytes.removeSubrange(start...)
                return false
            }
            bytes.append(UInt8(byteOfCodePoint[Int(scalar.value)]))
        }
        return true
    }

    /// How a vocabulary writes these bytes.
    static func token(ofBytes bytes: some Sequence<UInt8>) -> String {
        var token = String.UnicodeScalarView()
        for byte in bytes {
            if let scalar = Unicode.Scalar(codePointOfByte[Int(byte)]) { token.append(scalar) }
        }
        return String(token)
    }
}
