// Our ids and texts against those of the Hugging Face tokenizers library, on hostile text.

import FileSupport
import Testing

@testable import Tokenization

struct GoldenTests {
    @Test("Ids and decoded text equal those of Hugging Face tokenizers", arguments: GoldenFiles.names)
    func encodesAndDecodesAsTheReference(name: String) throws {
        let tokenizer = try GoldenFiles.tokenizer(name)
        let cases = try #require(try GoldenFiles.expected(name)["cases"]?.arrayValue)
        #expect(cases.count >= 60)
        for golden in cases {
            let text = try #require(golden["text"]?.stringValue)
            let ids = try #require(golden["ids"]?.ids)
            let comment = Comment(rawValue: "\(name): \(text.debugDescription)")
            #expect(tokenizer.encode(text, addSpecialTokens: false) == ids, comment)
            #expect(
                tokenizer.encode(text, addSpecialTokens: true) == golden["withSpecialTokens"]?.ids, comment)
            #expect(
                tokenizer.encode(text, addSpecialTokens: false, recognizeSpecialTokens: false)
                    == golden["unrecognised"]?.ids, comment)
            try expectText(tokenizer, ids, golden, comment)
        }
    }

    @Test("Text in parts has the ids of the whole text, part by part")
    func encodesParts() throws {
        let cases = try #require(
            try JSONParser.parse(fileAt: "\(GoldenFiles.folder)/parts.json").arrayValue)
        #expect(cases.count > 100)
        for golden in cases {
            let name = try #require(golden["tokenizer"]?.stringValue)
            let parts = try #require(golden["parts"]?.arrayValue).compactMap(\.stringValue)
            let ids = try #require(golden["ids"]?.arrayValue).compactMap(\.ids)
            let tokenizer = try GoldenFiles.tokenizer(name)
            #expect(tokenizer.encode(parts: parts) == ids, "\(name): \(parts)")
        }
    }

    @Test("Where a token of the whole text crosses a cut, the parts still join to the text")
    func encodesPartsThatTokensCross() throws {
        for name in ["llama2", "mistral", "metaspace", "prefix-space", "gpt2"] {
            let tokenizer = try GoldenFiles.tokenizer(name)
            for parts in [["The ri", "ver"], ["The river ", "rose"], ["The", "river"], [" ", " rose"]] {
                let ids = tokenizer.encode(parts: parts)
                // The first is encoded as a prompt that the model is given.
                #expect(ids[0] == tokenizer.encode(parts[0], addSpecialTokens: false), "\(name): \(parts)")
                let whole = tokenizer.encode(parts.joined(), addSpecialTokens: false)
                #expect(
                    tokenizer.decode(ids.flatMap { $0 }, skipSpecialTokens: false)
                        == tokenizer.decode(whole, skipSpecialTokens: false), "\(name): \(parts)")
            }
        }
    }

    @Test("Random ids decode to the text of Hugging Face tokenizers", arguments: GoldenFiles.names)
    func decodesRandomIDs(name: String) throws {
        let tokenizer = try GoldenFiles.tokenizer(name)
        let expected = try GoldenFiles.expected(name)
        #expect(tokenizer.vocabularySize == expected["vocabularySize"]?.integerValue)
        for golden in try #require(expected["decodes"]?.arrayValue) {
            let ids = try #require(golden["ids"]?.ids)
            try expectText(tokenizer, ids, golden, Comment(rawValue: "\(name): \(ids)"))
        }
    }

    /// Compares the text of `ids` byte by byte, decoded at once and as a stream.
    private func expectText(
        _ tokenizer: Tokenizer, _ ids: [Int32], _ golden: JSONValue, _ comment: Comment
    ) throws {
        for (skips, key) in [(false, "decoded"), (true, "decodedSkipping")] {
            let decoded = try #require(golden[key]?.stringValue)
            let text = tokenizer.decode(ids, skipSpecialTokens: skips)
            #expect(Array(text.utf8) == Array(decoded.utf8), comment)
            var stream = StreamingDecoder(tokenizer, skipSpecialTokens: skips)
            let pieces = ids.map { stream.append($0) } + [stream.finish()]
            #expect(Array(pieces.joined().utf8) == Array(decoded.utf8), comment)
        }
    }
}
