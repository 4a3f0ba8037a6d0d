// Answers built token by token: stop strings that arrive in pieces, characters that arrive in bytes.

import TestSupport
import Testing
import Tokenization

@testable import SparseLoRA

@Suite struct TextAssemblyTests {
    @Test func withoutStopStringsEveryPieceComesAtOnce() throws {
        let (text, pieces, reason) = try assemble("one two", stops: [])
        #expect(text == "one two")
        #expect(pieces.allSatisfy { !$0.isEmpty })
        #expect(reason == nil)
    }

    @Test(arguments: [
        ("say END now", ["END"], "say "), ("say END now", ["never", "ND"], "say E"),
        ("END", ["END"], ""), ("a\n\nb", ["\n\n"], "a"), ("naïve über", ["ü"], "naïve "),
    ])
    func stopStringEndsTheTextBeforeIt(_ text: String, _ stops: [String], _ expected: String) throws {
        let result = try assemble(text, stops: stops)
        #expect(result.text == expected)
        #expect(result.pieces.joined() == expected)
        #expect(result.reason == .stopString)
    }

    @Test func beginningOfAStopStringIsHeldBackAndReleasedAtTheEnd() throws {
        let tokenizer = try tokenizer()
        var assembly = TextAssembly(tokenizer: tokenizer, stopStrings: ["xyz"])
        let tokens = tokenizer.encode("axy", addSpecialTokens: false)
        let shown = tokens.map { assembly.append($0) }.joined()
        #expect(shown == "a")
        #expect(assembly.finish() == "xy")
        #expect(assembly.text == "axy")
        #expect(assembly.finishReason == nil)
    }

    @Test func shorterStopStringCountsWhenTheLongerOneNeverCompletes() throws {
        let result = try assemble("ab", stops: ["abcd", "b"])
        #expect(result.text == "a")
        #expect(result.reason == .stopString)
    }

    @Test func specialTokensAreNotText() throws {
        let tokenizer = try tokenizer()
        var assembly = TextAssembly(tokenizer: tokenizer, stopStrings: [])
        let tokens = tokenizer.encode("yes<|eos|>", addSpecialTokens: false)
        let shown = tokens.map { assembly.append($0) }.joined() + assembly.finish()
        #expect(shown == "yes")
    }

    private func tokenizer() throws -> Tokenizer {
        try Tokenizer(folder: GoldenFolder("tokenizers").file("smollm"))
    }

    private func assemble(
        _ text: String, stops: [String]
    ) throws -> (text: String, pieces: [String], reason: GeneratedText.FinishReason?) {
        let tokenizer = try tokenizer()
        var assembly = TextAssembly(tokenizer: tokenizer, stopStrings: stops)
        var pieces: [String] = []
        for token in tokenizer.encode(text, addSpecialTokens: false) where assembly.finishReason == nil {
            pieces.append(assembly.append(token))
        }
        let rest = assembly.finish()
        if !rest.isEmpty { pieces.append(rest) }
        return (assembly.text, pieces, assembly.finishReason)
    }
}
