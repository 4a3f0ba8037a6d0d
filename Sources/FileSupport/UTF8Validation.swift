// Whether bytes are UTF-8, eight at a time where they are ASCII; the standard library's check costs much per string.

/// Where the first malformed UTF-8 sequence starts, or nil (Unicode 15, table 3-7: no overlong forms, no surrogates).
func firstInvalidUTF8Offset(in bytes: UnsafeRawBufferPointer) -> Int? {
    var position = 0
    while position < bytes.count {
        if position + 8 <= bytes.count,
            bytes.loadUnaligned(fromByteOffset: position, as: UInt64.self) & 0x8080_8080_8080_8080 == 0
        {
            position += 8
            continue
        }
        let lead = bytes[position]
        let length: Int
        var second: ClosedRange<UInt8> = 0x80...0xBF
        switch lead {
        case 0x00...0x7F:
            position += 1
            continue
        case 0xC2...0xDF: length = 2
        case 0xE0: (length, second) = (3, 0xA0...0xBF)
        case 0xED: (length, second) = (3, 0x80...0x9F)
        case 0xE1...0xEF: length = 3
        case 0xF0: (length, second) = (4, 0x90...0xBF)
        case 0xF1...0xF3: length = 4
        case 0xF4: (length, second) = (4, 0x80...0x8F)
        default: return position
        }
        guard position + length <= bytes.count, second.contains(bytes[position + 1]) else { return position }
        for offset in 2..<max(length, 2) where bytes[position + offset] & 0xC0 != 0x80 { return position }
        position += length
    }
    return nil
}
