// What a model folder says beside tokenizer.json: special tokens, ends of turns, chat templates.

import FileSupport
import Foundation
import Testing

@testable import Tokenization

struct TokenizerFolderTests {
    /// Loads a folder with a golden's tokenizer.json and these other files.
    private func load(_ name: String, _ files: [String: String]) throws -> Tokenizer {
        let folder = FileManager.default.temporaryDirectory.appending(path: "tokenizer-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try Data(GoldenFiles.document(name)).write(to: folder.appending(path: "tokenizer.json"))
        for (file, text) in files { try Data(text.utf8).write(to: folder.appending(path: file)) }
        return try Tokenizer(folder: folder.path)
    }

    @Test("Special tokens come from strings and objects, ends of turns from every file that names them")
    func readsSpecialTokens() throws {
        let tokenizer = try load(
            "gpt2",
            [
                "tokenizer_config.json": #"{"bos_token":{"content":"<|bos|>"},"eos_token":null}"#,
                "special_tokens_map.json": #"{"eos_token":"<|eos|>","pad_token":"<|nowhere|>"}"#,
                "generation_config.json": #"{"eos_token_id":[5,1]}"#,
                "config.json": #"{"eos_token_id":6}"#,
            ])
        #expect(tokenizer.specialTokens.beginningOfText == 0)
        #expect(tokenizer.specialTokens.endOfText == 1)
        #expect(tokenizer.specialTokens.padding == nil)
        #expect(tokenizer.specialTokens.endOfTurn == [1, 5, 6])
        #expect(tokenizer.prefix == [] && tokenizer.suffix == [])
    }

    @Test("The Llama tokenizer class adds its beginning of text whatever tokenizer.json says")
    func followsTheLlamaClass() throws {
        let config = #"{"tokenizer_class":"LlamaTokenizerFast","bos_token":"<|bos|>","eos_token":"<|eos|>"}"#
        #expect(try load("gpt2", ["tokenizer_config.json": config]).prefix == [0])
        let flags = config.replacingOccurrences(
            of: "{", with: #"{"add_bos_token":false,"add_eos_token":true,"#)
        let tokenizer = try load("llama3", ["tokenizer_config.json": flags])
        #expect(tokenizer.prefix == [] && tokenizer.suffix == [1])
    }

    @Test("Chat templates come from the configuration, and from a file of their own before that")
    func readsTemplates() throws {
        let named =
            #"{"chat_template":[{"name":"default","template":"A"},{"name":"tool_use","template":"B"}]}"#
        #expect(
            try load("gpt2", ["tokenizer_config.json": named]).chatTemplates == [
                "default": "A", "tool_use": "B",
            ])
        let both = ["tokenizer_config.json": #"{"chat_template":"A"}"#, "chat_template.jinja": "C"]
        #expect(try load("gpt2", both).chatTemplates == ["default": "C"])
    }

    @Test("An end-of-text id that no token has, and a folder without tokenizer.json, are errors")
    func refusesWhatDoesNotBelong() throws {
        let foreign = try #require(throws: InputError.self) {
            try load("gpt2", ["config.json": #"{"eos_token_id":128009}"#])
        }
        #expect(foreign.description.contains("128009"))
        let missing = try #require(throws: InputError.self) { try Tokenizer(folder: "/nonexistent") }
        #expect(missing.description.contains("tokenizer.json"))
    }
}
