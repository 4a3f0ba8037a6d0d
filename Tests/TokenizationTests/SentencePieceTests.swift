// Models in SentencePiece's manner: from GGUF, cut into parts, decoded as a stream, and damaged.

import FileSupport
import Testing

@testable import Tokenization

struct SentencePieceTests {
    private func definition(_ name: String) throws -> TokenizerDefinition {
        try TokenizerFolder(path: "\(GoldenFiles.folder)/\(name)").definition()
    }

    /// The metadata that a converter would write for a golden tokenizer: no merges, but scores.
    private func metadata(_ name: String) throws -> GGUFTokenizerMetadata {
        let golden = try definition(name)
        var metadata = GGUFTokenizerMetadata(location: "model.gguf")
        metadata.model = "llama"
        metadata.tokens = golden.tokens.sorted { $0.id < $1.id }.map(\.content)
        metadata.tokenTypes = metadata.tokens.indices.map { $0 < 2 ? 3 : $0 == 2 ? 2 : $0 < 259 ? 6 : 1 }
        metadata.scores = metadata.tokens.indices.map { -Double($0) }
        metadata.tokenIDs = ["bos": 0, "eos": 1, "unknown": 2]
        return metadata
    }

    @Test("A GGUF file with scores gives the ids and the text that a folder exported from it gives")
    func exportsWhatItReads() throws {
        for (architecture, addsSpace) in [("llama", true), ("gemma3", false)] {
            var metadata = try metadata("llama2")
            metadata.architecture = architecture
            metadata.addsSpacePrefix = addsSpace
            let original = try Tokenizer(metadata.definition())
            let document = try metadata.definition().tokenizerJSON().serialized()
            let exported = try makeTokenizer(json: Array(document.utf8))
            for golden in try #require(try GoldenFiles.expected("llama2")["cases"]?.arrayValue) {
                let text = try #require(golden["text"]?.stringValue)
                let ids = original.encode(text, addSpecialTokens: true)
                #expect(exported.encode(text, addSpecialTokens: true) == ids, "\(text.debugDescription)")
                #expect(ids.first == 0)
                #expect(
                    exported.decode(ids, skipSpecialTokens: true)
                        == original.decode(ids, skipSpecialTokens: true))
            }
        }
    }

    @Test("Merges follow the scores of what they make, and for equal pairs the longer left side")
    func mergesByScore() throws {
        var metadata = GGUFTokenizerMetadata(location: "model.gguf")
        metadata.model = "llama"
        metadata.tokens =
            ["<unk>"] + (0..<256).map { TokenDecoder.token(ofByte: UInt8($0)) }
            + ["a", "b", "▁", "ab", "ba", "aa", "aaa", "▁a"]
        metadata.scores = [Double](repeating: 0, count: 260) + [-1, -2, -3, -4, -5]
        metadata.tokenIDs = ["unknown": 0]
        metadata.addsSpacePrefix = false
        func tokens(_ text: String) throws -> [String] {
            let tokenizer = try Tokenizer(metadata.definition())
            return tokenizer.encode(text, addSpecialTokens: false).compactMap(tokenizer.token(of:))
        }
        #expect(try tokens("bab") == ["b", "ab"])
        #expect(try tokens("aaaa") == ["aa", "aa"])
        #expect(try tokens("aaa b a") == ["aaa", "▁", "b", "▁a"])
        #expect(try tokens("é") == ["<0xC3>", "<0xA9>"])
        metadata.scores[261] = -9
        metadata.scores[260] = -8
        #expect(try tokens("bab") == ["b", "ab"])
        metadata.scores[261] = -1
        #expect(try tokens("bab") == ["ba", "b"])
    }

    @Test("Gemma's runs of spaces, which its files write as they are, are found in text")
    func findsRunsOfSpaces() throws {
        var metadata = try metadata("gemma")
        metadata.architecture = "gemma3"
        metadata.addsSpacePrefix = false
        let run = "▁▁▁▁▁▁▁▁▁▁▁▁"
        let halves = ["▁▁", "▁▁▁▁▁▁", "▁▁▁▁"]
        for token in halves + [run] where !metadata.tokens.contains(token) {
            metadata.tokens.append(String(repeating: " ", count: token.unicodeScalars.count))
            metadata.tokenTypes.append(4)
        }
        let tokenizer = try Tokenizer(metadata.definition())
        let id = try #require(tokenizer.id(ofToken: "▁▁"))
        #expect(tokenizer.encode("x  y", addSpecialTokens: false).contains(id))
        #expect(tokenizer.bytes(of: id) == Array("  ".utf8))
        #expect(!tokenizer.isSpecial(id))
    }

    @Test(
        "Text cut where no merge joins it has the tokens of the whole",
        arguments: ["llama2", "gemma", "mistral"])
    func cutsWithoutEffect(name: String) throws {
        let whole = try definition(name)
        let added = try AddedTokenTables(whole)
        let vocabulary = try Vocabulary(added.allTokens, usesByteAlphabet: false, location: name)
        let seeds = try SeedTokens(whole, vocabulary: vocabulary, addedOnly: added.addedOnly)
        let rules = try whole.mergeRules(vocabulary)
        let encoder = try BytePairEncoder(whole, seeds: seeds, rules: rules)
        let joins = try #require(JoinTable(rules: rules, vocabulary: vocabulary, seeds: seeds))
        var random = SeededGenerator(state: 29)
        let fragments = ["▁the", "▁", "river", "ing", "é", "今日", "\n", "👍", "ab", "12", "▁▁", "q"]
        var parts = 0
        for _ in 0..<200 {
            let text = (0..<Int.random(in: 1..<30, using: &random)).map { _ in
                fragments.randomElement(using: &random) ?? ""
            }.joined()
            var scratch = MergeScratch()
            var expected: [Int32] = []
            var found: [Int32] = []
            Array(text.utf8).withUnsafeBufferPointer { bytes in
                encoder.encode(bytes, scratch: &scratch, into: &expected)
                var start = 0
                while start < bytes.count {
                    let end = joins.endOfPart(bytes, in: start..<bytes.count)
                    encoder.encode(
                        UnsafeBufferPointer(rebasing: bytes[start..<end]), scratch: &scratch, into: &found)
                    start = end
                    parts += 1
                }
            }
            #expect(found == expected, "\(text)")
        }
        #expect(parts > 1000)
    }

    @Test("A stream holds back a run of byte tokens until it ends, and the first space for good")
    func streamsByteRuns() throws {
        let tokenizer = try GoldenFiles.tokenizer("llama2")
        func id(_ token: String) throws -> Int32 { try #require(tokenizer.id(ofToken: token)) }
        var stream = StreamingDecoder(tokenizer, skipSpecialTokens: true)
        #expect(stream.append(try id("▁")) == "")
        #expect(stream.append(try id("a")) == "a")
        for byte in ["<0xF0>", "<0x9F>", "<0x8E>", "<0x89>"] { #expect(stream.append(try id(byte)) == "") }
        #expect(stream.append(try id("▁")) == "🎉 ")
        #expect(stream.append(try id("<0xE4>")) == "")
        #expect(stream.append(try id("a")) == "\u{FFFD}a")
        #expect(stream.append(try id("<0x41>")) == "")
        #expect(stream.finish() == "A")
    }

    @Test("Bytes that are not UTF-8 come back from byte tokens")
    func spellsInvalidBytes() throws {
        let tokenizer = try GoldenFiles.tokenizer("gemma")
        for bytes: [UInt8] in [[0xFF], [0x61, 0xE4, 0xBB, 0x20], [0xC0, 0xAF], [0xF0, 0x9F, 0x8E]] {
            let ids = tokenizer.encode(bytes: bytes, addSpecialTokens: false)
            #expect(ids.flatMap { tokenizer.bytes(of: $0) ?? [] } == bytes)
        }
    }

    @Test(
        "A damaged tokenizer.json is an InputError or still a working tokenizer",
        arguments: ["llama2", "metaspace", "unigram", "o200k"])
    func survivesDamage(name: String) throws {
        let document = try GoldenFiles.document(name)
        var random = SeededGenerator(state: 31)
        for round in 0..<60 {
            var damaged = document
            for _ in 0..<(round % 5 + 1) {
                let position = damaged.indices.randomElement(using: &random) ?? 0
                damaged[position] =
                    round % 2 == 0 ? UInt8.random(in: 32..<127, using: &random) : UInt8(ascii: "0")
            }
            guard let tokenizer = try? makeTokenizer(json: damaged) else { continue }
            let ids = tokenizer.encode("Hello, <|bos|> wörld 123 今日 \u{FF}", addSpecialTokens: true)
            _ = tokenizer.decode(ids, skipSpecialTokens: false)
        }
    }

    @Test("Random GGUF metadata is an InputError or a tokenizer, never a crash")
    func survivesRandomMetadata() throws {
        let valid = try metadata("llama2")
        var random = SeededGenerator(state: 37)
        for _ in 0..<60 {
            var metadata = valid
            switch Int.random(in: 0..<7, using: &random) {
            case 0: metadata.scores.removeLast(Int.random(in: 0..<400, using: &random))
            case 1: metadata.scores = metadata.scores.map { _ in .nan }
            case 2: metadata.tokens[Int.random(in: 0..<300, using: &random)] = ""
            case 3:
                metadata.tokenTypes = metadata.tokenTypes.map { _ in Int.random(in: -1...9, using: &random) }
            case 4: metadata.tokenIDs["unknown"] = Int.random(in: -5...2000, using: &random)
            case 5: metadata.merges = ["a b", "▁ a"]
            default: metadata.tokens.shuffle(using: &random)
            }
            metadata.architecture = Bool.random(using: &random) ? "gemma2" : nil
            guard let tokenizer = try? Tokenizer(metadata.definition()) else { continue }
            let ids = tokenizer.encode("Hello  wörld 今日\n\n", addSpecialTokens: true)
            _ = tokenizer.decode(ids, skipSpecialTokens: true)
        }
    }
}
