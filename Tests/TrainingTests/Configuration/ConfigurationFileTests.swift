// YAML from files that nobody has checked: scalars, limits, damage.

import FileSupport
import Testing

@testable import ConfigurationFiles

@Suite struct ConfigurationFileTests {
    private func yaml(_ text: String) throws -> JSONValue {
        try ConfigurationFile.yaml(text, location: "test")
    }

    @Test func `plain scalars follow the core schema`() throws {
        let expected: [(String, JSONValue)] = [
            ("1e-4", .number(1e-4)), ("1E5", .number(1e5)), ("-3", .integer(-3)), ("+3", .integer(3)),
            (".5", .number(0.5)), ("0.1", .number(0.1)), ("true", .bool(true)), ("False", .bool(false)),
            ("no", .string("no")), ("~", .null), ("", .null), ("nan", .string("nan")),
            ("0x10", .string("0x10")),
            ("\"7\"", .string("7")), ("'true'", .string("true")), ("1.2.3", .string("1.2.3")),
            ("-", .array([.null])),
            ("e", .string("e")), ("2024-01-01", .string("2024-01-01")),
        ]
        for (text, value) in expected { #expect(try yaml(text) == value, "\(text)") }
    }

    @Test func `an alias repeats its anchor`() throws {
        #expect(
            try yaml("a: &x [1, 2]\nb: *x\n")
                == .object(
                    JSONObject([
                        ("a", .array([.integer(1), .integer(2)])), ("b", .array([.integer(1), .integer(2)])),
                    ])))
    }

    @Test func `a bomb of aliases is an error, not work`() {
        var text = "a0: &a0 [x, x]\n"
        for level in 1...9 {
            text += "a\(level): &a\(level) [*a\(level - 1),*a\(level - 1) , *a\(level - 1)]\n"
        }
        #expect(throws: InputError.self) { try yaml(text) }
        let wide =
            "a: &a [" + [String](repeating: "x", count: 60_000).joined(separator: ",") + "]\nb: [*a, *a]\n"
        let error = #expect(throws: InputError.self) { try yaml(wide) }
        #expect(error?.problem.contains("100000 values") == true)
    }

    @Test func `deep nesting is an error`() {
        #expect(throws: InputError.self) {
            try yaml(String(repeating: "[", count: 40) + String(repeating: "]", count: 40))
        }
        #expect(throws: InputError.self) { try yaml(String(repeating: "[", count: 100_000)) }
        #expect(throws: InputError.self) { try yaml(String(repeating: "- ", count: 5_000) + "x") }
    }

    @Test func `a key that appears twice is an error with its name`() {
        let error = #expect(throws: InputError.self) { try yaml("seed: 1\nseed: 2\n") }
        #expect(error?.problem.contains("\"seed\" appears twice") == true)
    }

    @Test func `a syntax error names line and column`() {
        let error = #expect(throws: InputError.self) { try yaml("a: 1\nb: [1, 2\nc: 3\n") }
        #expect(error?.problem.contains("line ") == true)
    }

    @Test func `damaged text never crashes`() throws {
        let text =
            "model: &m base\ndata:\n  training: *m\n  format: \"chat\"\nadapter: {targets: [q, 'v'], rank: 8}\n"
        let bytes = Array(text.utf8)
        for position in bytes.indices {
            for replacement in [0, 0x09, 0x22, 0x26, 0x2A, 0x3A, 0x5B, 0x7B, 0x80, 0xFF] as [UInt8] {
                var damaged = bytes
                damaged[position] = replacement
                _ = try? yaml(String(decoding: damaged, as: UTF8.self))
            }
            _ = try? yaml(String(decoding: bytes[..<position], as: UTF8.self))
        }
        #expect(try yaml(text)["data"]?["training"] == .string("base"))
    }

    @Test func `files that are no configuration are refused by name`() throws {
        let folder = try TemporaryFolder()
        let list = try folder.write("- 1\n- 2\n", to: "list.yaml")
        #expect(throws: InputError(list, expected: "keys and values", found: "a list")) {
            try ConfigurationFile.read(list)
        }
        #expect(throws: InputError.self) { try ConfigurationFile.read("\(folder.path)/missing.yaml") }
        let large = try folder.write(String(repeating: "#", count: (1 << 20) + 1), to: "large.yaml")
        #expect(throws: InputError.self) { try ConfigurationFile.read(large) }
        #expect(try ConfigurationFile.read(folder.write("# nothing set\n", to: "empty.yaml")).count == 0)
    }
}
