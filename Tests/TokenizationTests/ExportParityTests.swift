// An exported folder and our ids, for the check that asks transformers; tools/checks/check_tokenizer_export.py runs it.

import Checkpoints
import FileSupport
import Foundation
import Testing

@testable import Tokenization

struct ExportParityTests {
    static let folder = ProcessInfo.processInfo.environment["SPARSELORA_TOKENIZER_EXPORT"]

    /// Reads `texts.json`, a list of strings, and in each subfolder `model.gguf`. Writes there the folder `exported`, and
    /// `ours.json` with the ids of each text, without and with the special tokens around it, and the text decoded again.
    @Test("Exports for the check", .enabled(if: ExportParityTests.folder != nil))
    func exports() throws {
        let folder = try #require(Self.folder)
        let texts = try #require(try JSONParser.parse(fileAt: "\(folder)/texts.json").arrayValue)
            .map { try #require($0.stringValue) }
        for name in try FileManager.default.contentsOfDirectory(atPath: folder).sorted() {
            guard FileManager.default.fileExists(atPath: "\(folder)/\(name)/model.gguf") else { continue }
            try export("\(folder)/\(name)", texts)
        }
    }

    private func export(_ folder: String, _ texts: [String]) throws {
        let file = try GGUFFile(path: "\(folder)/model.gguf")
        try GGUFTokenizerMetadata(file.metadata)
            .writeHuggingFaceFiles(to: "\(folder)/exported", modelMaximumLength: 8192)
        let original = try Tokenizer(gguf: file.metadata)
        let exported = try Tokenizer(folder: "\(folder)/exported")
        #expect(exported.specialTokens == original.specialTokens)
        #expect(exported.specialTokenIDs == original.specialTokenIDs)
        #expect(exported.chatTemplates == original.chatTemplates)
        var lines: [JSONValue] = []
        for text in texts {
            let plain = original.encode(text, addSpecialTokens: false)
            let whole = original.encode(text, addSpecialTokens: true)
            #expect(exported.encode(text, addSpecialTokens: false) == plain, "\(text.debugDescription)")
            #expect(exported.encode(text, addSpecialTokens: true) == whole, "\(text.debugDescription)")
            lines.append(
                .members([
                    "ids": .array(plain.map { .integer(Int($0)) }),
                    "withSpecialTokens": .array(whole.map { .integer(Int($0)) }),
                    "decodedSkipping": .string(original.decode(plain, skipSpecialTokens: true)),
                ]))
        }
        let ours = JSONValue.members([
            "cases": .array(lines),
            "specialTokens": .array(original.specialTokenIDs.map { .integer(Int($0)) }),
            "chatTemplate": original.chatTemplates["default"].map { .string($0) } ?? .null,
        ])
        try AtomicFile.write(to: "\(folder)/ours.json", text: ours.serialized())
    }
}
