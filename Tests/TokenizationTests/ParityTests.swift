// Parity with a reference on many megabytes, for the check that makes them; tools/checks/check_tokenizer.py runs it.

import FileSupport
import Foundation
import Testing

@testable import Tokenization

struct ParityTests {
    static let folder = ProcessInfo.processInfo.environment["SPARSELORA_TOKENIZER_PARITY"]

    /// `input.txt` holds documents end to end; `expected.bin` for each its length in bytes, the number of its ids, and
    /// the ids, as 32-bit little-endian numbers.
    @Test("Ids equal the reference's on a large text", .enabled(if: ParityTests.folder != nil))
    func equalsTheReference() throws {
        let folder = try #require(Self.folder)
        let text = [UInt8](try Data(contentsOf: URL(filePath: "\(folder)/input.txt")))
        let expected = [UInt8](try Data(contentsOf: URL(filePath: "\(folder)/expected.bin")))
        let numbers = expected.withUnsafeBytes { bytes in
            stride(from: 0, to: bytes.count - 3, by: 4).map {
                Int32(littleEndian: bytes.loadUnaligned(fromByteOffset: $0, as: Int32.self))
            }
        }
        var tokenizers = [try Tokenizer(folder: folder)]
        let gguf = "\(folder)/model.gguf"
        if FileManager.default.fileExists(atPath: gguf) { tokenizers.append(try Tokenizer(ggufFile: gguf)) }

        var textStart = 0
        var index = 0
        while index + 1 < numbers.count {
            let (length, count) = (Int(numbers[index]), Int(numbers[index + 1]))
            let document = Array(text[textStart..<(textStart + length)])
            let ids = Array(numbers[(index + 2)..<(index + 2 + count)])
            textStart += length
            index += 2 + count
            for tokenizer in tokenizers
            where tokenizer.encode(bytes: document, addSpecialTokens: false) != ids {
                let ours = tokenizer.encode(bytes: document, addSpecialTokens: false)
                let place =
                    zip(ours, ids).enumerated().first { $1.0 != $1.1 }?.offset ?? min(ours.count, ids.count)
                let before = tokenizer.decode(Array(ids[max(0, place - 5)..<place]), skipSpecialTokens: false)
                Issue.record(
                    """
                    document at byte \(textStart - length), id \(place), after \(before.debugDescription): \
                    \(ours.dropFirst(place).prefix(5).map { tokenizer.token(of: $0) ?? "" }) instead of \
                    \(ids.dropFirst(place).prefix(5).map { tokenizer.token(of: $0) ?? "" })
                    """)
                return
            }
            for tokenizer in tokenizers {
                let decoded = tokenizer.decode(ids, skipSpecialTokens: false)
                try #require(decoded.utf8.elementsEqual(document), "document at byte \(textStart - length)")
            }
        }
        #expect(textStart == text.count)
    }
}
