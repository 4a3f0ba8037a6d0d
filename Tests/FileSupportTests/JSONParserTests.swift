// JSONParser: what it accepts, what it refuses and where it says the fault is.

import FileSupport
import Testing

@Suite struct JSONParserTests {
    private func parse(_ text: String) throws -> JSONValue { try JSONParser.parse(text, location: "test") }

    private func failure(_ text: String) -> InputError? { failure(Array(text.utf8)) }

    private func failure(_ bytes: [UInt8]) -> InputError? {
        do throws(InputError) {
            _ = try JSONParser.parse(bytes, location: "test")
            return nil
        } catch {
            return error
        }
    }

    @Test func readsEveryKindOfValue() throws {
        let value = try parse(" {\"a\": [1, -2.5e1, true, false, null, \"x\"], \"b\": {}, \"c\": []}\r\n\t")
        #expect(
            value["a"] == .array([.integer(1), .number(-25), .bool(true), .bool(false), .null, .string("x")]))
        #expect(value["b"] == .object(JSONObject()))
        #expect(value["c"] == .array([]))
        #expect(value.objectValue?.keys == ["a", "b", "c"])
    }

    @Test func keepsIntegersExactAndTheRestAsDoubles() throws {
        #expect(try parse("9223372036854775807") == .integer(.max))
        #expect(try parse("-9223372036854775808") == .integer(.min))
        #expect(try parse("9223372036854775808") == .number(9_223_372_036_854_775_808))
        #expect(try parse("1.0") == .number(1))
        #expect(try parse("1e2") == .number(100))
        #expect(try parse("0.1") == .number(0.1))
        #expect(try parse("5e-324") == .number(.leastNonzeroMagnitude))
        #expect(try parse("-0").doubleValue?.sign == .minus)
        #expect(try parse("0") == .integer(0))
    }

    @Test func readsEscapesAndSurrogatePairs() throws {
        let value = try parse(#""\"\\\/\b\f\n\r\t\u0041\u00e9\uD83D\ude00 é😀""#)
        #expect(value == .string("\"\\/\u{8}\u{C}\n\r\tA\u{E9}😀 é😀"))
        #expect(try parse(#""\u0000""#).stringValue?.utf8.elementsEqual([0]) == true)
    }

    @Test(arguments: [
        "", " ", "nul", "tru", "True", "NaN", "Infinity", "-", "+1", "01", "-01", "1.", ".5", "1e", "1e+",
        "0x1",
        "1 2", "[1,]", "[,1]", "[1", "[1 2]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}", "{'a':1}",
        "{\"a\":1",
        "{\"a\" 1}", "\"a", "\"\\x\"", "\"\\u12\"", "\"\\u12G4\"", "\"\u{1}\"", "\"\n\"", "// c\n1", "]",
        "1e999",
        "\u{FEFF}1", "[1]x", "\"\\", "\"\\u", "\u{0}", "1\u{0}",
    ])
    func refuses(_ text: String) {
        #expect(failure(text) != nil)
    }

    @Test(arguments: [#""\ud800""#, #""\udc00""#, #""\ud800x""#, #""\ud800\n""#, #""\ud800\ud800""#])
    func refusesLoneSurrogates(_ text: String) {
        #expect(failure(text)?.problem == "a \\u escape is half of a surrogate pair")
    }

    @Test(
        arguments: [
            [0x22, 0xFF, 0x22], [0x22, 0xC0, 0x80, 0x22], [0x22, 0xED, 0xA0, 0x80, 0x22],
            [0x22, 0xE2, 0x82, 0x22],
            [0x22, 0xF5, 0x80, 0x80, 0x80, 0x22], [0x22, 0xE0, 0x9F, 0x80, 0x22],
            [0x22, 0xF0, 0x8F, 0x80, 0x80, 0x22],
            [0x22, 0xF4, 0x90, 0x80, 0x80, 0x22], [0x22, 0x80, 0x22], [0x22, 0xE2, 0x82, 0xAC, 0xE2],
            [0x22, 0xC3], [0x22, 0x5C, 0x6E, 0xFF, 0x22], [0xFF],
        ] as [[UInt8]])
    func refusesInvalidUTF8(_ bytes: [UInt8]) {
        #expect(failure(bytes) != nil)
    }

    @Test func readsEveryScalarUnescaped() throws {
        var text = ""
        for value in UInt32(0x20)...0x10FFFF where value != 0x22 && value != 0x5C {
            if let scalar = Unicode.Scalar(value),
                value < 0x3000 || value % 37 == 0 || value & 0xFFFF > 0xFFF0
            {
                text.unicodeScalars.append(scalar)
            }
        }
        let value = try parse("\"\(text)\"")
        #expect(value.stringValue?.utf8.elementsEqual(text.utf8) == true)
    }

    @Test func namesLineAndColumnOfTheFault() {
        #expect(failure("{\n  \"é\": tru\n}")?.location == "test line 2 column 11")
        #expect(
            failure("[1,\n2")?.description
                == "test line 2 column 2: expected \",\" or \"]\", found the end of the text")
    }

    @Test func countsLinesFromTheGivenOne() {
        #expect(
            throws: InputError(
                "rows.jsonl line 12 column 2", expected: "a key in quotes", found: "the end of the text")
        ) {
            try JSONParser.parse("{", location: "rows.jsonl", firstLine: 12)
        }
    }

    @Test func refusesRepeatedKeysInSmallAndLargeObjects() {
        #expect(
            failure(#"{"a": 1, "b": 2, "a": 3}"#)?.problem == "the key \"a\" appears twice in this object")
        #expect(failure(#"{"a": 1, "\u0061": 3}"#) != nil)
        let many = (0..<100).map { "\"k\($0)\": 0" }.joined(separator: ",")
        #expect(failure("{\(many)}") == nil)
        #expect(failure("{\(many), \"k57\": 1}")?.problem == "the key \"k57\" appears twice in this object")
    }

    @Test func keysThatAreOnlyCanonicallyEqualAreDifferent() throws {
        let value = try parse("{\"\u{E9}\": 1, \"e\u{301}\": 2}")
        #expect(value["\u{E9}"] == .integer(1))
        #expect(value["e\u{301}"] == .integer(2))
    }

    @Test func limitsNesting() throws {
        func nested(_ depth: Int) -> String {
            String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
        }
        _ = try parse(nested(JSONParser.deepestNesting))
        #expect(failure(nested(JSONParser.deepestNesting + 1)) != nil)
        #expect(failure(String(repeating: "{\"a\":", count: 100_000)) != nil)
    }

    @Test func truncatedOrDamagedTextNeverCrashes() {
        let text = Array(
            #"{"a": [1, -2.5e-3, "é\u00e9\ud83d\ude00\n"], "b": {"c": null, "d": [true, false]}}"#.utf8)
        for length in 0..<text.count { #expect(failure(Array(text[..<length])) != nil) }
        for index in text.indices {
            for bit in 0..<8 {
                var damaged = text
                damaged[index] ^= 1 << bit
                // Either outcome is right; reaching the next iteration is the test.
                _ = failure(damaged)
            }
        }
    }
}
