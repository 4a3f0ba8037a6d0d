// Exported model folders: the tokenizer that is read back is the one that was written.

import FileSupport
import Foundation
import Testing

@testable import Tokenization

struct ExportTests {
    private static let hostileTemplate =
        "{%- for m in messages -%}\n\"\\\u{7F}\u{0}\t\u{2028}é e\u{301} 👩‍👩‍👧 </s>{{ m['content'] }}\r\n{%- endfor %}"

    private func withFolder<Result>(_ body: (String) throws -> Result) throws -> Result {
        let folder = FileManager.default.temporaryDirectory.appending(path: "export-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        return try body(folder.path)
    }

    private func definition(_ name: String) throws -> TokenizerDefinition {
        try TokenizerFolder(path: "\(GoldenFiles.folder)/\(name)").definition()
    }

    private func expectGoldenIDs(_ tokenizer: Tokenizer, _ name: String) throws {
        for golden in try #require(try GoldenFiles.expected(name)["cases"]?.arrayValue) {
            let text = try #require(golden["text"]?.stringValue)
            let comment = Comment(rawValue: "\(name): \(text.debugDescription)")
            let ids = try #require(golden["ids"]?.ids)
            #expect(tokenizer.encode(text, addSpecialTokens: false) == ids, comment)
            #expect(
                tokenizer.encode(text, addSpecialTokens: true) == golden["withSpecialTokens"]?.ids, comment)
            #expect(
                tokenizer.encode(text, addSpecialTokens: false, recognizeSpecialTokens: false)
                    == golden["unrecognised"]?.ids, comment)
            #expect(
                tokenizer.decode(ids, skipSpecialTokens: true) == golden["decodedSkipping"]?.stringValue,
                comment)
        }
    }

    @Test("An exported folder gives the ids and the chat template that went in", arguments: GoldenFiles.names)
    func readsBackWhatItWrote(name: String) throws {
        var original = try definition(name)
        original.special.beginningOfText = 0
        original.special.endOfText = 1
        original.special.padding = 1
        original.special.endOfTurn = [1]
        original.chatTemplates = ["default": Self.hostileTemplate]
        try withFolder { folder in
            try original.writeHuggingFaceFiles(to: folder, modelMaximumLength: 2048)
            let tokenizer = try Tokenizer(folder: folder)
            try expectGoldenIDs(tokenizer, name)
            #expect(tokenizer.specialTokens == original.special)
            #expect(tokenizer.specialTokenIDs == (try Tokenizer(original)).specialTokenIDs)
            #expect(tokenizer.prefix == original.prefix && tokenizer.suffix == original.suffix)
            let template = try #require(tokenizer.chatTemplates["default"])
            #expect(template.utf8.elementsEqual(Self.hostileTemplate.utf8))
            #expect(tokenizer.chatTemplates.count == 1)
        }
    }

    @Test(
        "tokenizer.json has the parts that Hugging Face tokenizers wrote for the same tokenizer",
        arguments: GoldenFiles.names)
    func writesTheReferenceParts(name: String) throws {
        let golden = try JSONParser.parse(GoldenFiles.document(name), location: name)
        let exported = try definition(name).tokenizerJSON()
        let exportedModel = try #require(exported["model"]?.objectValue)
        for (key, value) in try #require(golden["model"]?.objectValue).members where key != "merges" {
            #expect(exportedModel[key] == value, "\(name): model.\(key)")
        }
        let merges = golden["model"]?["merges"]?.arrayValue?.map { merge in
            // Two of the goldens have the older spelling "left right".
            merge.stringValue.map { .array($0.split(separator: " ").map { .string(String($0)) }) } ?? merge
        }
        #expect(exportedModel["merges"]?.arrayValue == merges)
        var same = ["version", "truncation", "padding", "added_tokens", "normalizer", "decoder"]
        // These goldens say the same split in another way: matches "Removed" inverted, GPT-2's as a pattern, by a name.
        if !["qwen2-nfc", "digit-runs", "words"].contains(name) { same.append("pre_tokenizer") }
        for key in same { #expect(exported[key] == golden[key], "\(name): \(key)") }
        let template = golden["post_processor"]?["processors"]?.arrayValue?.last ?? golden["post_processor"]
        if let single = template?["single"] {
            let written = exported["post_processor"]?["processors"]?.arrayValue?.last
            #expect(written?["single"] == single && written?["special_tokens"] == template?["special_tokens"])
        } else {
            #expect(exported["post_processor"]?["type"] == .string("ByteLevel"))
        }
    }

    @Test("The tokenizer of a GGUF file becomes a folder with the same tokens, flags and templates")
    func exportsGGUF() throws {
        let golden = try definition("llama3")
        var metadata = GGUFTokenizerMetadata(location: "model.gguf")
        metadata.model = "gpt2"
        metadata.preTokenizer = "llama-bpe"
        metadata.tokens = golden.tokens.sorted { $0.id < $1.id }.map(\.content) + ["  user  ", "[PAD]"]
        metadata.tokenTypes = metadata.tokens.indices.map { $0 < 2 ? 3 : 1 }
        metadata.tokenTypes[metadata.tokens.count - 2] = 4
        metadata.merges = golden.merges.map { "\($0.left) \($0.right)" }
        metadata.tokenIDs = ["bos": 0, "eos": 1, "unknown": 1, "padding": Int(UInt32.max)]
        metadata.chatTemplates = ["default": "A", "tool_use": "B", "rag": "C"]
        try withFolder { folder in
            try metadata.writeHuggingFaceFiles(to: folder, modelMaximumLength: nil)
            let tokenizer = try Tokenizer(folder: folder)
            let original = try Tokenizer(metadata.definition())
            try expectGoldenIDs(tokenizer, "llama3")
            let text = "x  user  y [PAD] <|bos|>"
            #expect(
                tokenizer.encode(text, addSpecialTokens: true)
                    == original.encode(text, addSpecialTokens: true))
            #expect(tokenizer.specialTokens == original.specialTokens)
            #expect(tokenizer.specialTokenIDs == [0, 1] && tokenizer.prefix == [0])
            #expect(tokenizer.vocabularySize == metadata.tokens.count)
            #expect(tokenizer.chatTemplates == metadata.chatTemplates)
            let config = try JSONParser.parse(fileAt: "\(folder)/tokenizer_config.json")
            #expect(config["tokenizer_class"] == .string("PreTrainedTokenizerFast"))
            #expect(config["model_max_length"] == nil && config["pad_token"] == nil)
            #expect(config["add_bos_token"] == nil)
            let map = try JSONParser.parse(fileAt: "\(folder)/special_tokens_map.json")
            #expect(map.objectValue?.keys == ["bos_token", "eos_token", "unk_token"])
        }
    }

    @Test("What no reader could use, or the format cannot say, is an error and writes nothing")
    func refusesBeforeWriting() throws {
        let faults: [(word: String, change: (inout TokenizerDefinition) -> Void)] = [
            ("space before each text", { $0.preTokenizer.steps.insert(.prefixSpace, at: 0) }),
            ("not in the vocabulary", { $0.tokens.removeLast() }),
            ("two ids", { $0.tokens.append(.init(content: "a", id: 5000)) }),
            ("4000", { $0.special.padding = 4000 }), ("4001", { $0.suffix = [4001] }),
        ]
        for fault in faults {
            var changed = try definition("smollm")
            fault.change(&changed)
            try withFolder { folder in
                let error = try #require(throws: InputError.self) {
                    try changed.writeHuggingFaceFiles(to: folder, modelMaximumLength: nil)
                }
                #expect(error.description.contains(fault.word), "\(error)")
                #expect(try FileManager.default.contentsOfDirectory(atPath: folder).isEmpty)
            }
        }
    }
}
