// Serialised JSON equals what Python's json.dumps(ensure_ascii=False) prints, and parses back to the same value.

import FileSupport
import Testing

@Suite struct JSONSerializationTests {
    private let sample = JSONValue.object(
        JSONObject([
            ("name", .string("a\"b\\c/\u{8}\u{C}\n\r\t\u{1}\u{1F}\u{7F}é😀\u{2028}")),
            ("list", .array([.integer(1), .number(0.5)])),
            ("none", .null), ("empty", .object(JSONObject())), ("nothing", .array([])), ("yes", .bool(true)),
        ]))

    @Test func writesOneLineAsPythonDoes() {
        #expect(
            sample.serialized()
                == #"{"name": "a\"b\\c/\b\f\n\r\t\u0001\u001f"# + "\u{7F}é😀\u{2028}"
                + #"", "list": [1, 0.5], "none": null, "empty": {}, "nothing": [], "yes": true}"#)
    }

    @Test func writesIndentedTextAsPythonDoes() {
        let value = JSONValue.object(
            JSONObject([
                ("a", .array([.integer(1), .object(JSONObject([("b", .null)]))])), ("c", .array([])),
            ]))
        #expect(
            value.serialized(pretty: true) == """
                {
                  "a": [
                    1,
                    {
                      "b": null
                    }
                  ],
                  "c": []
                }
                """)
    }

    @Test func roundTripsValues() throws {
        #expect(try JSONParser.parse(sample.serialized(), location: "test") == sample)
        #expect(try JSONParser.parse(sample.serialized(pretty: true), location: "test") == sample)
    }

    @Test func roundTripsDoublesBitForBit() throws {
        var generator = SystemRandomNumberGenerator()
        var values: [Double] = [
            0, -0.0, 1, 0.1, 1e16, 1e21, 1e-7, .leastNonzeroMagnitude, .greatestFiniteMagnitude, .pi,
        ]
        for _ in 0..<2000 {
            let value = Double(bitPattern: generator.next())
            if value.isFinite { values.append(value) }
        }
        for value in values {
            let back = try JSONParser.parse(JSONValue.number(value).serialized(), location: "test")
            #expect(back.doubleValue?.bitPattern == value.bitPattern, "\(value)")
        }
    }

    @Test func writesWhatJSONCannotExpressAsNull() {
        #expect(JSONValue.array([.number(.nan), .number(-.infinity)]).serialized() == "[null, null]")
    }

    @Test func appendsLines() {
        var text: [UInt8] = []
        JSONValue.integer(1).appendLine(to: &text)
        JSONValue.object(JSONObject([("a", .null)])).appendLine(to: &text)
        #expect(String(decoding: text, as: UTF8.self) == "1\n{\"a\": null}\n")
    }
}
