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
