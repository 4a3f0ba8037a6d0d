// JSON trees to Codable values, with errors that name the key path, what was expected and what was found.

package import FileSupport

/// Reads a Codable value from a tree with snake-case keys. The tree has every key; see `ConfigurationEncoder`.
package struct ConfigurationDecoder: Decoder {
    package let codingPath: [any CodingKey]
    package var userInfo: [CodingUserInfoKey: Any] { [:] }
    private let value: JSONValue
    private let convertsKeys: Bool

    fileprivate init(_ value: JSONValue, path: [any CodingKey], convertsKeys: Bool) {
        self.value = value
        codingPath = path
        self.convertsKeys = convertsKeys
    }

    /// The value of a tree.
    ///
    /// - Parameter layer: where the tree comes from, for errors.
    /// - Throws: `InputError` naming the layer and the key path.
    package static func decode<Value: Decodable>(
        _ type: Value.Type, from tree: JSONValue, layer: String
    ) throws(InputError) -> Value {
        do {
            return try read(type, from: tree, path: [])
        } catch let problem as ConfigurationProblem {
            throw problem.error(in: layer)
        } catch {
            throw InputError(layer, "the configuration cannot be read: \(error)")
        }
    }

    package func container<Key: CodingKey>(keyedBy type: Key.Type) throws -> KeyedDecodingContainer<Key> {
        guard let object = value.objectValue else { throw mismatch(value, "an object of keys", codingPath) }
        return KeyedDecodingContainer(
            KeyedReader<Key>(object: object, codingPath: codingPath, convertsKeys: convertsKeys))
    }

    package func unkeyedContainer() throws -> any UnkeyedDecodingContainer {
        guard let elements = value.arrayValue else { throw mismatch(value, "a list", codingPath) }
        return ListReader(elements: elements, codingPath: codingPath)
    }

    package func singleValueContainer() throws -> any SingleValueDecodingContainer {
        ScalarReader(value: value, codingPath: codingPath)
    }
}

/// A key as it stands in the file.
private struct PathKey: CodingKey {
    var stringValue: String
    var intValue: Int? { nil }
    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
}

private func mismatch(_ value: JSONValue, _ expected: String, _ path: [any CodingKey]) -> ConfigurationProblem
{
    var found = value.kindName
    var advice: String?
    switch value {
    case .string(let text): found = "the text \"\(text.prefix(60))\""
    case .bool(let truth): found = "\(truth)"
    case .integer(let number):
        found = "\(number)"
        if expected == "text" { advice = "Put it in quotes." }
    case .number(let number): found = "\(number)"
    default: break
    }
    return ConfigurationProblem(
        path: path.map(\.stringValue), expected: expected, found: found, advice: advice)
}

private func read<Value: Decodable>(
    _ type: Value.Type, from value: JSONValue, path: [any CodingKey]
) throws -> Value {
    let result: Any
    if type == Bool.self {
        guard let truth = value.boolValue else { throw mismatch(value, "true or false", path) }
        result = truth
    } else if type == String.self {
        guard let text = value.stringValue else { throw mismatch(value, "text", path) }
        result = text
    } else if type == Int.self {
        guard let number = value.integerValue else { throw mismatch(value, "a whole number", path) }
        result = number
    } else if type == UInt64.self {
        // Beyond Int.max the encoder writes text.
        let number =
            value.integerValue.flatMap { UInt64(exactly: $0) } ?? value.stringValue.flatMap { UInt64($0) }
        guard let number else { throw mismatch(value, "a whole number of zero or more", path) }
        result = number
    } else if type == Double.self {
        guard let number = value.doubleValue, number.isFinite else { throw mismatch(value, "a number", path) }
        result = number
    } else {
        return try Value(
            from: ConfigurationDecoder(value, path: path, convertsKeys: !(type is any StringKeyed.Type)))
    }
    guard let typed = result as? Value else { unsupported() }
    return typed
}

private struct KeyedReader<Key: CodingKey>: KeyedDecodingContainerProtocol {
    let object: JSONObject
    let codingPath: [any CodingKey]
    let convertsKeys: Bool

    var allKeys: [Key] { object.keys.compactMap { Key(stringValue: $0) } }

    private func name(_ key: Key) -> String {
        convertsKeys ? ConfigurationKey.snakeCase(key.stringValue) : key.stringValue
    }

    func contains(_ key: Key) -> Bool { object[name(key)] != nil }
    func decodeNil(forKey key: Key) -> Bool { object[name(key)] == .null }

    func decode<Value: Decodable>(_ type: Value.Type, forKey key: Key) throws -> Value {
        let name = name(key)
        let path = codingPath + [PathKey(stringValue: name)]
        guard let value = object[name] else {
            throw ConfigurationProblem(path: path.map(\.stringValue), expected: "a value", found: "none")
        }
        return try read(type, from: value, path: path)
    }

    func nestedContainer<Nested: CodingKey>(
        keyedBy type: Nested.Type, forKey key: Key
    ) -> KeyedDecodingContainer<Nested> { unsupported() }
    func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedDecodingContainer { unsupported() }
    func superDecoder() -> any Decoder { unsupported() }
    func superDecoder(forKey key: Key) -> any Decoder { unsupported() }
}

private struct ListReader: UnkeyedDecodingContainer {
    let elements: [JSONValue]
    let codingPath: [any CodingKey]
    var currentIndex = 0
    var count: Int? { elements.count }
    var isAtEnd: Bool { currentIndex >= elements.count }

    mutating func decodeNil() -> Bool {
        guard !isAtEnd, elements[currentIndex] == .null else { return false }
        currentIndex += 1
        return true
    }

    mutating func decode<Value: Decodable>(_ type: Value.Type) throws -> Value {
        precondition(!isAtEnd, "ConfigurationDecoder: read past the end of a list")
        defer { currentIndex += 1 }
        let path = codingPath + [PathKey(stringValue: "\(currentIndex)")]
        return try read(type, from: elements[currentIndex], path: path)
    }

    mutating func nestedContainer<Nested: CodingKey>(keyedBy type: Nested.Type) -> KeyedDecodingContainer<
        Nested
    > {
        unsupported()
    }
    mutating func nestedUnkeyedContainer() -> any UnkeyedDecodingContainer { unsupported() }
    mutating func superDecoder() -> any Decoder { unsupported() }
}

private struct ScalarReader: SingleValueDecodingContainer {
    let value: JSONValue
    let codingPath: [any CodingKey]

    func decodeNil() -> Bool { value == .null }
    func decode<Value: Decodable>(_ type: Value.Type) throws -> Value {
        try read(type, from: value, path: codingPath)
    }
}
