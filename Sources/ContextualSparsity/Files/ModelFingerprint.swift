// Tells models apart, so that nothing measured on one is applied to another.

import Checkpoints
package import FileSupport
package import Models

/// A short name for a model's shape and weights.
package enum ModelFingerprint {
    private static let samples = 8
    private static let sampleLength = 64

    /// 16 hexadecimal digits over the resolved configuration, and of every tensor its name, type, shape and samples of
    /// its bytes.
    ///
    /// Enough to catch a mix-up, not to resist one that is contrived. A model and its quantised copy differ.
    /// - Throws: `InputError` when a tensor cannot be read.
    package static func of(_ source: ModelSource) throws(InputError) -> String {
        var hash = StableHash()
        let configuration = source.configuration
        for number in [
            configuration.vocabularySize, configuration.width, configuration.feedForwardWidth,
            configuration.layerCount, configuration.headCount, configuration.keyValueHeadCount,
            configuration.headWidth,
        ] {
            hash.combine(number)
        }
        hash.combine("\(configuration.activation) \(configuration.rotary.theta)")
        let names = source.weights.tensorNames.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        for name in names {
            let tensor = try source.weights.tensor(named: name)
            hash.combine(name)
            hash.combine(tensor.type.rawValue)
            for dimension in tensor.shape { hash.combine(dimension) }
            tensor.withBytes { bytes in
                let length = min(sampleLength, bytes.count)
                for sample in 0..<samples {
                    let start = (bytes.count - length) / (samples - 1) * sample
                    hash.combine(UnsafeRawBufferPointer(rebasing: bytes[start..<start + length]))
                }
            }
        }
        let digits = String(hash.value, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}

/// FNV-1a of 64 bits: the same in every run, unlike Swift's own hashes.
private struct StableHash {
    private(set) var value: UInt64 = 0xcbf2_9ce4_8422_2325

    mutating func combine(_ bytes: some Sequence<UInt8>) {
        for byte in bytes { value = (value ^ UInt64(byte)) &* 0x100_0000_01b3 }
    }

    /// With its length first, so that neighbouring texts cannot be divided otherwise.
    mutating func combine(_ text: String) {
        combine(text.utf8.count)
        combine(text.utf8)
    }

    mutating func combine(_ number: Int) {
        withUnsafeBytes(of: UInt64(bitPattern: Int64(number)).littleEndian) { combine($0) }
    }
}
