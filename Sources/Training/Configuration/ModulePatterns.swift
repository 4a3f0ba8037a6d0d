// Values for modules by pattern, in the order in which they are written: the first pattern that matches stands.

/// A table from patterns of module names to values. In files it is an object: `{q_proj: 8, "layers.0": 4}`.
public struct ModulePatterns<Value: Codable & Equatable & Sendable>: Equatable, Sendable {
    /// One row of the table.
    public struct Entry: Equatable, Sendable {
        /// A regular expression for a module's name or its end, as in PEFT's `rank_pattern`.
        public var pattern: String
        /// What holds for the modules that it matches.
        public var value: Value

        /// A row.
        public init(_ pattern: String, _ value: Value) {
            self.pattern = pattern
            self.value = value
        }
    }

    /// The rows, strongest first.
    public var entries: [Entry]

    /// A table of these rows.
    public init(_ entries: [Entry] = []) { self.entries = entries }
}

extension ModulePatterns: Codable, StringKeyed {
    private struct Key: CodingKey {
        var stringValue: String
        var intValue: Int? { nil }
        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    /// Reads an object whose keys are patterns.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Key.self)
        self.init(
            try container.allKeys.map { Entry($0.stringValue, try container.decode(Value.self, forKey: $0)) })
    }

    /// Writes an object whose keys are patterns.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        for entry in entries { try container.encode(entry.value, forKey: Key(stringValue: entry.pattern)) }
    }
}
