// Damaged files: cut at every length, bits flipped, fields overwritten. Each must be refused or read, never crash.

import Checkpoints
import FileSupport
import Testing

@Suite struct DamagedFileTests {
    /// Opens a file and touches everything in it; an InputError is as good as success.
    private func exercise(_ bytes: [UInt8], at path: String) throws {
        try writeQuickly(bytes, to: path)
        do throws(InputError) {
            let source = try Weights.open(path)
            for name in source.tensorNames {
                do throws(InputError) {
                    let tensor = try source.tensor(named: name)
                    var sum = 0
                    tensor.withBytes { for byte in $0 { sum &+= Int(byte) } }
                    _ = try tensor.float32Values()
                } catch {
                    continue
                }
            }
            guard let metadata = (source as? GGUFFile)?.metadata else { return }
            for key in metadata.keys {
                guard let array = metadata[key]?.arrayValue else { continue }
                do throws(InputError) {
                    _ = try array.elements()
                    _ = try array.strings()
                } catch {
                    continue
                }
            }
        } catch {
            #expect(error.location.hasPrefix(path), "\(error)")
        }
    }

    private func opens(_ path: String) -> Bool { (try? Weights.open(path)) != nil }

    @Test(arguments: ["every-type.gguf", "every-type.safetensors"])
    func everyTruncationIsRefused(_ name: String) throws {
        let bytes = try contents(golden(name))
        // GGUF pads behind the last tensor, which no reader needs.
        let needed = bytes.count - (name.hasSuffix("gguf") ? 32 : 0)
        try withFolder { folder in
            for length in 0..<needed {
                try writeQuickly(Array(bytes[..<length]), to: "\(folder)/a")
                #expect(!opens("\(folder)/a"), "cut at \(length)")
            }
        }
    }

    @Test(arguments: ["every-type.gguf", "block-types.gguf", "every-type.safetensors"])
    func flippedBitsNeverCrash(_ name: String) throws {
        let bytes = try contents(golden(name))
        var generator = SeededGenerator(state: 11)
        try withFolder { folder in
            // Every byte of the header once, one bit each; then pairs anywhere.
            for index in 0..<min(bytes.count, 2000) {
                var damaged = bytes
                damaged[index] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
                try exercise(damaged, at: "\(folder)/a")
            }
            for _ in 0..<300 {
                var damaged = bytes
                for _ in 0..<2 {
                    damaged[Int.random(in: 0..<bytes.count, using: &generator)] =
                        UInt8.random(in: 0...255, using: &generator)
                }
                try exercise(damaged, at: "\(folder)/a")
            }
        }
    }

    @Test(arguments: [0, 1, 0x7FFF_FFFF, 0xFFFF_FFFF, 1 << 60, 0x7FFF_FFFF_FFFF_FFFF, UInt64.max])
    func oversizedFieldsNeverCrash(_ value: UInt64) throws {
        let bytes = try contents(golden("every-type.gguf"))
        let field = withUnsafeBytes(of: value.littleEndian) { Array($0) }
        try withFolder { folder in
            // Lengths, counts and offsets stand anywhere in the first part: overwrite eight bytes at every position.
            for index in stride(from: 4, to: 1800, by: 3) {
                var damaged = bytes
                damaged.replaceSubrange(index..<index + 8, with: field)
                try exercise(damaged, at: "\(folder)/a")
            }
        }
    }
}
