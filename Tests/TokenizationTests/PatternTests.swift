// The general splitter: Oniguruma's matches, errors for what it lacks, and no pattern or text that takes it too long.

import FileSupport
import Testing

@testable import Tokenization

struct PatternTests {
    private func pieces(_ pattern: SplitPattern, _ text: String) -> [String] {
        let bytes = Array(text.utf8)
        return bytes.withUnsafeBufferPointer { buffer in
            let steps = [PreTokenizer.Step.split(pattern)]
            var cursor = PieceCursor(
                scanner: TextScanner(bytes: buffer, classes: .shared), range: 0..<bytes.count, steps: steps,
                matchers: PieceCursor.matchers(for: steps))
            var pieces: [String] = []
            while let piece = cursor.next() { pieces.append(String(decoding: bytes[piece], as: UTF8.self)) }
            return pieces
        }
    }

    @Test("Every behaviour of a splitter makes the pieces that Hugging Face tokenizers make")
    func splitsAsTheReference() throws {
        let cases = try #require(
            try JSONParser.parse(fileAt: "\(GoldenFiles.folder)/patterns.json").arrayValue)
        #expect(cases.count > 250)
        for (index, golden) in cases.enumerated() where index % 10 < 2 || index % 7 == 0 {
            let source = try #require(golden["pattern"]?.stringValue)
            let behavior = try #require(
                golden["behavior"]?.stringValue.flatMap(SplitPattern.Behavior.init(rawValue:)))
            let pattern = try SplitPattern(
                .regularExpression(source), behavior, isInverted: golden["inverted"]?.boolValue ?? false,
                location: "golden")
            for item in try #require(golden["texts"]?.arrayValue) {
                let text = try #require(item["text"]?.stringValue)
                let expected = try #require(item["pieces"]?.arrayValue).compactMap(\.stringValue)
                #expect(
                    pieces(pattern, text).map { Array($0.utf8) } == expected.map { Array($0.utf8) },
                    "\(source), \(behavior), inverted \(pattern.isInverted): \(text.debugDescription)")
            }
        }
    }

    @Test(
        "The scanners of known patterns and the general splitter cut text in the same places",
        arguments: [
            PreTokenizer.Step.gpt2Words, .llama3Words(longestNumber: 3), .llama3Words(longestNumber: 1),
        ])
    func agreesWithTheScanners(step: PreTokenizer.Step) throws {
        let source =
            switch step {
            case .llama3Words(let longest): PreTokenizer.Step.llama3Pattern(longestNumber: longest)
            default: PreTokenizer.Step.gpt2Pattern
            }
        let general = PreTokenizer.Step.split(
            try SplitPattern(.regularExpression(source), .isolated, location: "test"))
        var random = SeededGenerator(state: 17)
        let fragments: [[UInt8]] =
            [
                "word", "The", " ", "  ", "\n", "\r\n", "'s", "'LL", "12", "7", "é", "今日", "!", "?!", "½",
                "\u{A0}",
                "\t", "e\u{301}", "'ſ",
            ].map { Array($0.utf8) } + [[0xFF], [0xE4, 0xBB]]
        for _ in 0..<400 {
            let bytes = (0..<Int.random(in: 0..<12, using: &random)).flatMap { _ in
                fragments.randomElement(using: &random) ?? []
            }
            let ends = [step, general].map { step in
                bytes.withUnsafeBufferPointer { buffer in
                    var cursor = PieceCursor(
                        scanner: TextScanner(bytes: buffer, classes: .shared), range: 0..<bytes.count,
                        steps: [step], matchers: PieceCursor.matchers(for: [step]))
                    var ends: [Int] = []
                    while let piece = cursor.next() { ends.append(piece.upperBound) }
                    return ends
                }
            }
            #expect(ends[0] == ends[1], "\(String(decoding: bytes, as: UTF8.self).debugDescription)")
        }
    }

    @Test(
        "What the splitter lacks is named",
        arguments: [
            (#"(a)\1"#, "\\1"), (#"\p{Klingon}"#, "Klingon"), ("[[:alpha:]]", "POSIX"),
            ("a{5000}", "5000"), ("(((a{1000}){1000}){1000})", "too large"), ("(a", "\")\""), ("a)", "\")\""),
            ("[a", "\"]\""), ("*a", "quantifier"), (#"a\"#, "backslash"), ("(?<=a*)b", "look-behind"),
            (#"\x{110000}"#, "110000"), ("x(?i)y", "(?)"), ("[z-a]", "range"), (#"\G"#, "\\G"),
        ])
    func namesWhatItLacks(pattern: String, word: String) throws {
        let error = try #require(throws: InputError.self) {
            _ = try PatternProgram(pattern, location: "file")
        }
        let isNamed = error.description.contains(word) || error.description.contains(pattern)
        #expect(isNamed && error.location == "file", "\(error)")
    }

    @Test("Nested groups are refused before they exhaust the stack")
    func boundsNesting() {
        for text in [
            String(repeating: "(", count: 10_000) + String(repeating: ")", count: 10_000),
            String(repeating: "[", count: 10_000), "a" + String(repeating: "?", count: 10_000),
        ] {
            #expect(throws: InputError.self) { _ = try PatternProgram(text, location: "file") }
        }
    }

    @Test(
        "Patterns that blow up a backtracking matcher do not",
        arguments: [
            "(a|a)*b", "(a|aa)+b", "a+b", "(?:a+)+b", "(?:a*a*)*b", "a*a*a*b", "(?:a|b|ab)*c",
            "(a?){30}a{30}b", ".*.*x",
        ])
    func staysLinear(pattern: String) throws {
        let split = try SplitPattern(.regularExpression(pattern), .isolated, location: "test")
        let text = String(repeating: "a", count: 150)
        #expect(pieces(split, text).joined() == text)
    }

    @Test("Random patterns compile or are refused, and never lose text")
    func survivesRandomPatterns() {
        var random = SeededGenerator(state: 23)
        let fragments = [
            "a", "b", ".", "\\s", "\\p{L}", "\\p{^N}", "[", "]", "^", "$", "(", ")", "(?:", "(?=", "(?!",
            "(?<=", "(?>",
            "|", "*", "+", "?", "{2,3}", "{,2}", "-", "&&", "\\b", "é", "(?i:", "\\", "\\x41", "[^ab]",
            "[a-z]", "++", "*?",
        ]
        var compiled = 0
        for _ in 0..<200 {
            let source = (0..<Int.random(in: 1...9, using: &random)).map { _ in
                fragments.randomElement(using: &random) ?? ""
            }.joined()
            guard let split = try? SplitPattern(.regularExpression(source), .isolated, location: "test")
            else {
                continue
            }
            compiled += 1
            let text = "ab é12 \n aaab ABé--[]  "
            #expect(pieces(split, text).joined() == text, "\(source)")
        }
        #expect(compiled > 15)
    }
}
