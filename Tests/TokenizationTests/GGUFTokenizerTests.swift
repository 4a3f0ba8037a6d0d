// Tokenizers from GGUF metadata: the same ids as from tokenizer.json, and errors that name the key.

import FileSupport
import Testing

@testable import Tokenization

struct GGUFTokenizerTests {
    /// The metadata that a converter would write for a golden tokenizer.
    private func metadata(_ name: String, preTokenizer: String?) throws -> GGUFTokenizerMetadata {
        let document = try JSONParser.parse(GoldenFiles.document(name), location: name)
        let definition = try TokenizerJSON(document, location: name).definition()
        var metadata = GGUFTokenizerMetadata(location: "model.gguf")
        metadata.model = "gpt2"
        metadata.preTokenizer = preTokenizer
        metadata.tokens = definition.tokens.sorted { $0.id < $1.id }.map(\.content)
        metadata.tokenTypes = metadata.tokens.indices.map { id in
            definition.addedTokens.contains { $0.id == id } ? 3 : 1
        }
        metadata.merges = definition.merges.map { "\($0.left) \($0.right)" }
        metadata.tokenIDs = ["bos": 0, "eos": 1, "padding": Int(UInt32.max)]
        return metadata
    }

    @Test(
        "A GGUF file gives the ids of tokenizer.json",
        arguments: [("gpt2", "gpt-2"), ("gpt2", nil), ("smollm", "smollm"), ("llama3", "llama-bpe")])
    func givesTheSameIDs(name: String, preTokenizer: String?) throws {
        let tokenizer = try Tokenizer(metadata(name, preTokenizer: preTokenizer).definition())
        for golden in try #require(try GoldenFiles.expected(name)["cases"]?.arrayValue) {
            let text = try #require(golden["text"]?.stringValue)
            #expect(
                tokenizer.encode(text, addSpecialTokens: true) == golden["withSpecialTokens"]?.ids,
                "\(name): \(text.debugDescription)")
        }
    }

    @Test("Special tokens, flags and templates are read")
    func readsSpecialTokens() throws {
        var metadata = try metadata("gpt2", preTokenizer: "gpt-2")
        metadata.addsBeginningOfText = true
        metadata.addsEndOfText = true
        metadata.tokenIDs["eot"] = 5
        metadata.chatTemplates = ["default": "{{ messages }}"]
        let tokenizer = try Tokenizer(metadata.definition())
        #expect(tokenizer.specialTokens.beginningOfText == 0)
        #expect(tokenizer.specialTokens.endOfText == 1)
        #expect(tokenizer.specialTokens.padding == nil)
        #expect(tokenizer.specialTokens.endOfTurn == [1, 5])
        #expect(tokenizer.encode("", addSpecialTokens: true) == [0, 1])
        #expect(tokenizer.specialTokenIDs == [0, 1])
        #expect(tokenizer.chatTemplates["default"] == "{{ messages }}")
        #expect(tokenizer.id(ofToken: "Ġthe") == tokenizer.id(ofBytes: Array(" the".utf8)))
    }

    @Test("User-defined tokens are found in text and kept by decode")
    func findsUserDefinedTokens() throws {
        var metadata = try metadata("gpt2", preTokenizer: "gpt-2")
        let id = metadata.tokens.count
        metadata.tokens.append("  spaced  ")
        metadata.tokenTypes.append(4)
        let tokenizer = try Tokenizer(metadata.definition())
        let ids = tokenizer.encode("a  spaced  b", addSpecialTokens: false)
        #expect(ids.contains(Int32(id)) && !tokenizer.isSpecial(Int32(id)))
        #expect(tokenizer.decode(ids, skipSpecialTokens: true) == "a  spaced  b")
    }

    @Test("Text for Qwen 2 is normalised, which the file does not say; for other models it is not")
    func normalizesForQwen2() throws {
        for (name, normalizes) in [("qwen2", true), ("deepseek-r1-qwen", false), ("llama-bpe", false)] {
            let tokenizer = try Tokenizer(metadata("gpt2", preTokenizer: name).definition())
            let ids = tokenizer.encode("cafe\u{301}", addSpecialTokens: false)
            let text = Array(tokenizer.decode(ids, skipSpecialTokens: false).utf8)
            #expect(text == Array((normalizes ? "caf\u{E9}" : "cafe\u{301}").utf8), "\(name)")
        }
    }

    @Test("What is wrong is named by its key")
    func namesTheKey() throws {
        let valid = try metadata("gpt2", preTokenizer: "gpt-2")
        let faults: [(key: String, change: (inout GGUFTokenizerMetadata) -> Void)] = [
            ("tokenizer.ggml.model", { $0.model = nil }), ("tokenizer.ggml.model", { $0.model = "bert" }),
            ("tokenizer.ggml.pre", { $0.preTokenizer = "kimi-k2" }),
            ("tokenizer.ggml.scores", { ($0.model, $0.merges) = ("llama", []) }),
            ("tokenizer.ggml.tokens", { $0.tokens = [] }),
            ("tokenizer.ggml.token_type", { $0.tokenTypes.removeLast() }),
            ("tokenizer.ggml.merges[1]", { $0.merges[1] = "abc" }),
            ("tokenizer.ggml.bos_token_id", { $0.tokenIDs["bos"] = 100_000 }),
            ("two ids", { $0.tokens[7] = $0.tokens[8] }),
        ]
        for fault in faults {
            var metadata = valid
            fault.change(&metadata)
            let error = try #require(throws: InputError.self) { _ = try Tokenizer(metadata.definition()) }
            #expect(error.description.contains(fault.key), "\(error)")
        }
    }
}
