// Tokenizer files that are damaged, and text that is not UTF-8: errors and round trips, never a crash.

import FileSupport
import Testing

@testable import Tokenization

struct RobustnessTests {
    @Test(
        "A damaged tokenizer.json is an InputError or still a working tokenizer",
        arguments: ["gpt2", "added-tokens"])
    func survivesDamage(name: String) throws {
        let document = try GoldenFiles.document(name)
        var random = SeededGenerator(state: 7)
        var failures = 0
        for round in 0..<120 {
            var damaged = document
            if round % 3 == 0 {
                damaged.removeLast(Int.random(in: 1..<document.count, using: &random))
            } else {
                for _ in 0..<(round % 5 + 1) {
                    let position = damaged.indices.randomElement(using: &random) ?? 0
                    damaged[position] =
                        round % 3 == 1 ? UInt8.random(in: 0...255, using: &random) : UInt8(ascii: "9")
                }
            }
            do {
                let tokenizer = try makeTokenizer(json: damaged)
                let ids = tokenizer.encode("Hello, <|bos|> wörld 123", addSpecialTokens: true)
                _ = tokenizer.decode(ids, skipSpecialTokens: false)
            } catch {
                failures += 1
                #expect(!error.problem.isEmpty)
            }
        }
        #expect(failures > 40)
    }

    /// Each change replaces one part of a valid file, and the error names where.
    @Test(
        "What we lack, or what makes no sense, is named with its place",
        arguments: [
            (#""type":"BPE""#, #""type":"Unigram""#, "model.type"),
            (#""type":"BPE""#, #""type":"WordPiece""#, "model.type"),
            (#""end_of_word_suffix":null"#, #""end_of_word_suffix":"</w>""#, "model.end_of_word_suffix"),
            (#""dropout":null"#, #""dropout":0.1"#, "model.dropout"),
            (#""unk_token":null"#, #""unk_token":"<nothing>""#, "<nothing>"),
            (#""normalizer":null"#, #""normalizer":{"type":"Nmt"}"#, "Nmt"),
            (
                #""normalizer":null"#, #""normalizer":{"type":"Precompiled"}"#,
                "normalizer.precompiled_charsmap"
            ),
            (
                #""normalizer":null"#,
                #""normalizer":{"type":"Precompiled","precompiled_charsmap":"AQAAAA=="}"#,
                "normalizer.precompiled_charsmap"
            ),
            (#""use_regex":true}"#, #""use_regex":3}"#, "pre_tokenizer.use_regex"),
            (#""type":"ByteLevel""#, #""type":"Metaspace""#, "pre_tokenizer"),
            (#""type":"ByteLevel""#, #""type":"UnicodeScripts""#, "UnicodeScripts"),
            (#""post_processor":null"#, #""post_processor":{"type":"BertProcessing"}"#, "BertProcessing"),
            (#""!":2"#, #""!":3"#, "3"),
            (#""!":2"#, #""!":-2"#, "model.vocab"),
            (#""!":2"#, #""!":5000000"#, "model.vocab"),
            (#""merges":["#, #""merges":["no such tokens","#, "model.merges[0]"),
            (#""merges":["#, #""merges":["qq zz","#, "qq"),
            (#""merges":["#, #""merges":[["a"],"#, "model.merges[0]"),
            (#""content":"<|bos|>""#, #""content":"!""#, "<|bos|>"),
            (#""content":"<|bos|>""#, #""content":"""#, "added tokens"),
            (#""id":1,"#, #""id":0,"#, "id 0"),
        ])
    func namesTheFault(original: String, replacement: String, place: String) throws {
        let document = String(decoding: try GoldenFiles.document("gpt2"), as: UTF8.self)
        let range = try #require(document.firstRange(of: original), "\(original) is not in the golden")
        let changed = document[..<range.lowerBound] + replacement + document[range.upperBound...]
        let error = try #require(throws: InputError.self) { _ = try makeTokenizer(json: Array(changed.utf8)) }
        #expect(error.description.contains(place), "\(error)")
    }

    @Test(
        "Bytes that are not UTF-8 come back unchanged", arguments: ["gpt2", "smollm", "llama3", "qwen2-nfc"])
    func roundTripsInvalidUTF8(name: String) throws {
        let tokenizer = try GoldenFiles.tokenizer(name)
        var random = SeededGenerator(state: 11)
        let fragments: [[UInt8]] = [
            Array("word".utf8), Array(" the".utf8), Array("é".utf8), [0xC3], [0xE4, 0xBB],
            [0xF0, 0x9F, 0x8E], [0x80],
            [0xFF], [0xC0, 0xAF], [0xED, 0xA0, 0x80], [0xF5, 0x80], [0], [0x20], [0x0A], Array("12".utf8),
            [0x27],
        ]
        for _ in 0..<300 {
            let bytes = (0..<Int.random(in: 0..<20, using: &random)).flatMap { _ in
                fragments.randomElement(using: &random) ?? []
            }
            let ids = tokenizer.encode(bytes: bytes, addSpecialTokens: false)
            #expect(ids.flatMap { tokenizer.bytes(of: $0) ?? [] } == bytes)
        }
    }

    @Test("Invalid bytes divide words as U+FFFD does", arguments: ["gpt2", "smollm", "llama3"])
    func invalidBytesAreSymbols(name: String) throws {
        let steps = try TokenizerJSON(
            JSONParser.parse(GoldenFiles.document(name), location: name), location: name
        ).definition().preTokenizer.steps
        for text in ["a?b", " ?? x", "12?3", "?\n", "'?s", "it's?"] {
            let pieces = { (mark: [UInt8]) in
                let bytes = text.utf8.flatMap { $0 == UInt8(ascii: "?") ? mark : [$0] }
                return bytes.withUnsafeBufferPointer { buffer in
                    var cursor = PieceCursor(
                        scanner: TextScanner(bytes: buffer, classes: .shared), range: 0..<bytes.count,
                        steps: steps, matchers: PieceCursor.matchers(for: steps))
                    var pieces: [[UInt8]] = []
                    while let piece = cursor.next() { pieces.append(Array(bytes[piece])) }
                    return pieces.map { piece in
                        String(decoding: piece, as: UTF8.self)
                    }
                }
            }
            #expect(pieces([0xFF]) == pieces(Array("\u{FFFD}".utf8)), "\(text)")
        }
    }

    @Test("A long run without a space does not take quadratic time, and comes back")
    func encodesLongRuns() throws {
        let tokenizer = try GoldenFiles.tokenizer("gpt2")
        for unit in ["a", "the", "今"] {
            let text = String(repeating: unit, count: 200_000 / unit.utf8.count)
            let ids = tokenizer.encode(text, addSpecialTokens: false)
            #expect(tokenizer.decode(ids, skipSpecialTokens: false) == text)
        }
    }

    @Test("Ids outside the vocabulary have no text")
    func ignoresUnknownIDs() throws {
        let tokenizer = try GoldenFiles.tokenizer("gpt2")
        #expect(tokenizer.decode([-1, Int32.max, Int32.min, 100_000], skipSpecialTokens: false) == "")
        #expect(tokenizer.token(of: -1) == nil)
        #expect(tokenizer.bytes(of: 100_000) == nil)
        #expect(!tokenizer.isSpecial(-1))
    }
}

/// SplitMix64: the same numbers in every run.
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }
}
