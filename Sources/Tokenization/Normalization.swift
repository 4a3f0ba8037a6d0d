// Unicode normalisation of text before it is split.

import Foundation

extension TokenizerDefinition.Normalizer {
    func normalized(_ text: String) -> String {
        switch self {
        case .none: text
        case .nfc: text.precomposedStringWithCanonicalMapping
        }
    }

    /// Calls `body` with the normalised form of `bytes`. Bytes that are not valid UTF-8 stay as they are.
    func withNormalized(_ bytes: UnsafeBufferPointer<UInt8>, _ body: (UnsafeBufferPointer<UInt8>) -> Void) {
        switch self {
        case .none:
            body(bytes)
        case .nfc:
            // All characters below U+0300, whose UTF-8 starts with less than 0xCC, are composed and stay so.
            guard bytes.contains(where: { $0 >= 0xCC }) else { return body(bytes) }
            var normalized: [UInt8] = []
            normalized.reserveCapacity(bytes.count)
            var position = 0
            while position < bytes.count {
                let start = position
                while position < bytes.count {
                    let scalar = decodeScalar(bytes, at: position, end: bytes.count)
                    if scalar.codePoint == DecodedScalar.invalid { break }
                    position += scalar.length
                }
                if position > start {
                    let text = String(decoding: bytes[start..<position], as: UTF8.self)
                    normalized += self.normalized(text).utf8
                } else {
                    normalized.append(bytes[position])
                    position += 1
                }
            }
            normalized.withUnsafeBufferPointer(body)
        }
    }
}
