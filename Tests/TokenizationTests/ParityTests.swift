// Parity with a reference on many megabytes, for the check that makes them; tools/checks/check_tokenizer.py runs it.

import FileSupport
import Foundation
import Testing

@testable import Tokenization

struct ParityTests {
    static let folder = ProcessInfo.processInfo.environment["SPARSELORA_TOKENIZER_PARITY"]

    /// `input.txt` holds documents end to end. Each subfolder holds a `tokenizer.json`, perhaps the same as `model.gguf`,
    /// and `expected.bin`: for each document its length in bytes, the number of its ids, and the ids, as 32-bit
    /// little-endian numbers. Prints a line for each tokenizer.
    @Test("Ids equal the reference's on a large text", .enabled(if: ParityTests.folder != nil))
    func equalsTheReference() throws {
        let folder = try #require(Self.folder)
        let text = [UInt8](try Data(contentsOf: URL(filePath: "\(folder)/input.txt")))
        for name in try FileManager.default.contentsOfDirectory(atPath: folder).sorted() {
            let expected = "\(folder)/\(name)/expected.bin"
            guard FileManager.default.fileExists(atPath: expected) else { continue }
            let numbers = [UInt8](try Data(contentsOf: URL(filePath: expected))).withUnsafeBytes { bytes in
                stride(from: 0, to: bytes.count - 3, by: 4).map {
                    Int32(littleEndian: bytes.loadUnaligned(fromByteOffset: $0, as: Int32.self))
                }
            }
            var tokenizers = [("tokenizer.json", try Tokenizer(folder: "\(folder)/\(name)"))]
            let gguf = "\(folder)/\(name)/model.gguf"
            if FileManager.default.fileExists(atPath: gguf) {
                tokenizers.append(("GGUF", try Tokenizer(ggufFile: gguf)))
            }
            for (format, tokenizer) in tokenizers {
                try compare(tokenizer, text, numbers, "\(name), \(format)")
            }
        }
    }

    private func compare(_ tokenizer: Tokenizer, _ text: [UInt8], _ numbers: [Int32], _ name: String) throws {
        let clock = ContinuousClock()
        var time = Duration.zero
        var textStart = 0
        var index = 0
        var differing = 0
        while index + 1 < numbers.count {
            let (length, count) = (Int(numbers[index]), Int(numbers[index + 1]))
            let document = Array(text[textStart..<(textStart + length)])
            let ids = Array(numbers[(index + 2)..<(index + 2 + count)])
            textStart += length
            index += 2 + count
            var ours: [Int32] = []
            time += clock.measure { ours = tokenizer.encode(bytes: document, addSpecialTokens: false) }
            if ours != ids {
                differing += 1
                guard differing <= 3 else { continue }
                let place =
                    zip(ours, ids).enumerated().first { $1.0 != $1.1 }?.offset ?? min(ours.count, ids.count)
                let before = tokenizer.decode(Array(ids[max(0, place - 5)..<place]), skipSpecialTokens: false)
                Issue.record(
                    """
                    \(name): document at byte \(textStart - length), id \(place), after \(before.debugDescription): \
                    \(ours.dropFirst(place).prefix(5).map { tokenizer.token(of: $0) ?? "" }) instead of \
                    \(ids.dropFirst(place).prefix(5).map { tokenizer.token(of: $0) ?? "" })
                    """)
            }
            if ids.count < 5000 {
                var stream = StreamingDecoder(tokenizer, skipSpecialTokens: false)
                let streamed = ids.map { stream.append($0) }.joined() + stream.finish()
                let decoded = tokenizer.decode(ids, skipSpecialTokens: false)
                try #require(
                    streamed.utf8.elementsEqual(decoded.utf8), "\(name): at byte \(textStart - length)")
            }
        }
        #expect(textStart == text.count)
        let seconds = time / .seconds(1)
        let speed = (10 * Double(textStart) / 1e6 / seconds).rounded() / 10
        print("parity: \(name): \(Double(textStart) / 1e6) MB, \(differing) documents differ, \(speed) MB/s")
    }
}
