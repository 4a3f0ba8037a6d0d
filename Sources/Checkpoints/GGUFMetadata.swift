// The metadata of a GGUF file by key, with errors that name file and key.

package import FileSupport

/// Metadata keys and values in file order.
package struct GGUFMetadata: Sendable {
    /// The file, for errors.
    package let path: String
    /// Keys in file order.
    package let keys: [String]
    /// Keyed by String: keys that are canonically equal but not byte-equal are refused as repeated.
    private let values: [String: GGUFValue]

    /// Key length, value type and one byte of value.
    static let smallestSize = 8 + 4 + 1

    init(_ reader: inout ByteReader, count: Int) throws(InputError) {
        var keys: [String] = []
        var values: [String: GGUFValue] = [:]
        for index in 0..<count {
            let key = try reader.readString("metadata key \(index)")
            let type = try reader.readValueType(key)
            let value = try GGUFValue(&reader, type, key: key, depth: 0)
            guard values.updateValue(value, forKey: key) == nil else {
                throw InputError("\(reader.path) metadata \(key)", "the key appears twice")
            }
            keys.append(key)
        }
        path = reader.path
        self.keys = keys
        self.values = values
    }

    /// The value of a key, or nil.
    package subscript(key: String) -> GGUFValue? { values[key] }

    /// The whole number under a key.
    ///
    /// - Throws: `InputError` when it is missing, of another kind, or does not fit an `Int`; likewise below.
    package func integer(_ key: String) throws(InputError) -> Int {
        try value(key, "a whole number", \.intValue)
    }

    /// The number under a key.
    package func number(_ key: String) throws(InputError) -> Double {
        try value(key, "a number", \.doubleValue)
    }

    /// The truth value under a key.
    package func bool(_ key: String) throws(InputError) -> Bool {
        try value(key, "true or false", \.boolValue)
    }

    /// The string under a key.
    package func string(_ key: String) throws(InputError) -> String {
        try value(key, "a string", \.stringValue)
    }

    /// The array under a key.
    package func array(_ key: String) throws(InputError) -> GGUFArray {
        try value(key, "a list", \.arrayValue)
    }

    private func value<Value>(
        _ key: String, _ expected: String, _ convert: (GGUFValue) -> Value?
    ) throws(InputError) -> Value {
        guard let value = values[key] else {
            throw InputError(
                path, "there is no metadata key \(key)", advice: NearestName.advice(for: key, among: keys))
        }
        guard let converted = convert(value) else {
            throw InputError("\(path) metadata \(key)", expected: expected, found: value.kindName)
        }
        return converted
    }

    static let alignmentKey = "general.alignment"
    static let defaultAlignment = 32

    /// What tensor offsets are multiples of.
    func alignment() throws(InputError) -> Int {
        guard values[Self.alignmentKey] != nil else { return Self.defaultAlignment }
        let alignment = try integer(Self.alignmentKey)
        guard alignment > 0, alignment <= 1 << 30, alignment & (alignment - 1) == 0 else {
            throw InputError(
                "\(path) metadata \(Self.alignmentKey)", expected: "a power of two", found: "\(alignment)")
        }
        return alignment
    }
}
