// SentencePiece's compiled normalisation rules: damaged ones, GGUF files, export.

import FileSupport
import Foundation
import Testing

@testable import Tokenization

struct CharsmapTests {
    /// The rules of a golden tokenizer.
    private func charsmap() throws -> PrecompiledCharsmap {
        let definition = try TokenizerFolder(path: "\(GoldenFiles.folder)/unigram-charsmap").definition()
        guard case .precompiled(let charsmap) = try #require(definition.normalizer.steps.first) else {
            throw InputError("unigram-charsmap", "has no charsmap")
        }
        return charsmap
    }

    private func applied(_ charsmap: PrecompiledCharsmap, _ text: String) -> String {
        let bytes = Array(text.utf8)
        return String(decoding: bytes.withUnsafeBufferPointer(charsmap.applied) ?? bytes, as: UTF8.self)
    }

    @Test("Rules apply to short graphemes as a whole, and to the characters of long ones")
    func appliesRules() throws {
        let charsmap = try charsmap()
        for (text, expected) in [
            ("plain", "plain"), ("ﬁ①\u{FF21}", "fi1A"), ("A\u{30A}", "\u{C5}"), ("x\u{200B}y", "xy"),
            // The rule for the start of a short grapheme replaces all of it; this one is not short.
            ("\u{FF21}\u{302}", "A"), ("\u{FF21}\u{302}\u{301}", "A\u{302}\u{301}"),
            ("½\u{200D}", "1\u{2044}2"), ("½\u{200D}\u{301}", "1\u{2044}2\u{200D}\u{301}"),
        ] {
            #expect(Array(applied(charsmap, text).utf8) == Array(expected.utf8), "\(text.debugDescription)")
        }
        let broken: [UInt8] = [0xEF, 0xBC, 0xEF, 0xBC, 0xA1, 0xFF, 0x41]
        #expect(broken.withUnsafeBufferPointer(charsmap.applied) == [0xEF, 0xBC, 0x41, 0xFF, 0x41])
    }

    @Test("Damaged rules are an InputError or rewrite text in some way, and never by much")
    func survivesDamage() throws {
        let bytes = try charsmap().source
        let text = "½Ａﬁ A\u{30A} \u{3000}①²é\u{301} \u{FDFA} plain text 한국 \u{200B}"
        var random = SeededGenerator(state: 5)
        var failures = 0
        for round in 0..<600 {
            var damaged = bytes
            switch round % 4 {
            case 0: damaged.removeLast(Int.random(in: 1...bytes.count, using: &random))
            case 1: damaged[Int.random(in: 0..<4, using: &random)] = UInt8.random(in: 0...255, using: &random)
            default:
                for _ in 0..<(1 << (round % 8)) {
                    damaged[Int.random(in: 4..<bytes.count, using: &random)] = UInt8.random(
                        in: 0...255, using: &random)
                }
            }
            do throws(InputError) {
                let result = applied(try PrecompiledCharsmap(damaged, location: "rules"), text)
                #expect(result.utf8.count <= text.utf8.count * PrecompiledCharsmap.longestText)
            } catch {
                failures += 1
                #expect(error.description.contains("rules"))
            }
        }
        #expect((100..<500).contains(failures))
    }

    @Test("Rules that make texts grow without bound are refused")
    func refusesLongTexts() throws {
        // A trie of one unit that leads nowhere.
        let head: [UInt8] = [4, 0, 0, 0, 0, 0, 0, 0]
        _ = try PrecompiledCharsmap(head + [UInt8](repeating: 0x61, count: 256), location: "rules")
        let error = try #require(throws: InputError.self) {
            _ = try PrecompiledCharsmap(head + [UInt8](repeating: 0x61, count: 257), location: "rules")
        }
        #expect(error.description.contains("256"))
    }

    @Test("A GGUF file with Unigram scores and rules gives the ids of the same tokenizer.json")
    func readsGGUF() throws {
        let golden = try TokenizerFolder(path: "\(GoldenFiles.folder)/unigram-charsmap").definition()
        guard case .unigram(let scores) = golden.model else {
            Issue.record("the golden is not Unigram")
            return
        }
        var metadata = GGUFTokenizerMetadata(location: "model.gguf")
        metadata.model = "t5"
        metadata.tokens = golden.tokens.sorted { $0.id < $1.id }.map(\.content)
        metadata.tokenTypes = metadata.tokens.indices.map { $0 < 2 ? 3 : $0 == 2 ? 2 : 1 }
        metadata.scores = scores
        metadata.charsmap = try charsmap().source
        metadata.removesExtraSpaces = true
        metadata.addsEndOfText = false
        let original = try Tokenizer(metadata.definition())
        let document = try metadata.definition().tokenizerJSON().serialized()
        let exported = try makeTokenizer(json: Array(document.utf8))
        for golden in try #require(try GoldenFiles.expected("unigram-charsmap")["cases"]?.arrayValue) {
            let text = try #require(golden["text"]?.stringValue)
            let ids = original.encode(text, addSpecialTokens: true)
            #expect(exported.encode(text, addSpecialTokens: true) == ids, "\(text.debugDescription)")
            // The file says "always" where the golden says "first": alike where no added token stands in the text.
            if !text.contains("<|") { #expect(ids == golden["ids"]?.ids, "\(text.debugDescription)") }
        }

        metadata.charsmap.removeFirst()
        let error = try #require(throws: InputError.self) { _ = try metadata.definition() }
        #expect(error.description.contains("precompiled_charsmap"))
    }
}
