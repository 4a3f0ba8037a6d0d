// Codable values to JSON trees in which nothing is left out: a nil property stands as null, so that the tree of the
// defaults names every key there is. Foundation's encoder omits nil, and so cannot tell a misspelt key from an unset one.

package import FileSupport

/// Writes a Codable value as a tree with snake-case keys.
package struct ConfigurationEncoder: Encoder {
    package var codingPath: [any CodingKey] = []
    package var userInfo: [CodingUserInfoKey: Any] { [:] }
    private let node = TreeNode()
    /// Keys of dictionaries are the user's and stay as they are; keys of types become snake case.
    fileprivate var convertsKeys = true

    private init() {}

    /// The value as a tree.
    package static func encode<Value: Encodable>(_ value: Value) -> JSONValue {
        var encoder = ConfigurationEncoder()
        encoder.convertsKeys = !(value is any StringKeyed)
        do {
            try value.encode(to: encoder)
        } catch {
            preconditionFailure("ConfigurationEncoder: \(Value.self) cannot be encoded: \(error)")
        }
        return encoder.node.value
    }

    package func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
        node.value = .object(JSONObject())
        return KeyedEncodingContainer(KeyedWriter<Key>(node: node, convertsKeys: convertsKeys))
    }

    package func unkeyedContainer() -> any UnkeyedEncodingContainer {
        node.value = .array([])
        return ListWriter(node: node)
    }

    package func singleValueContainer() -> any SingleValueEncodingContainer { ScalarWriter(node: node) }
}

/// Dictionaries whose keys are data, not names of properties.
protocol StringKeyed {}
extension Dictionary: StringKeyed where Key == String {}

enum ConfigurationKey {
    /// `learningRate` -> `learning_rate`
    static func snakeCase(_ name: String) -> String {
        var result = ""
        for character in name {
            if character.isUppercase {
                result += "_" + character.lowercased()
            } else {
                result.append(character)
            }
        }
        return result
    }
}

private final class TreeNode {
    var value = JSONValue.null
}

private func scalar<Value: Encodable>(_ value: Value) -> JSONValue {
    switch value {
    case let value as Bool: .bool(value)
    case let value as String: .string(value)
    case let value as Int: .integer(value)
    case let value as UInt64: Int(exactly: value).map { .integer($0) } ?? .string(String(value))
    case let value as Double: .number(value)
    default: ConfigurationEncoder.encode(value)
    }
}

private struct KeyedWriter<Key: CodingKey>: KeyedEncodingContainerProtocol {
    var codingPath: [any CodingKey] { [] }
    let node: TreeNode
    let convertsKeys: Bool

    private func set(_ value: JSONValue, _ key: Key) {
        guard case .object(var object) = node.value else {
            preconditionFailure("ConfigurationEncoder: an object and something else in one place")
        }
        object[convertsKeys ? ConfigurationKey.snakeCase(key.stringValue) : key.stringValue] = value
        node.value = .object(object)
    }

    func encodeNil(forKey key: Key) { set(.null, key) }
    func encode<Value: Encodable>(_ value: Value, forKey key: Key) { set(scalar(value), key) }
    // Synthesised code calls these for optional properties; the standard ones would leave nil out.
    func encodeIfPresent(_ value: Bool?, forKey key: Key) { set(value.map { .bool($0) } ?? .null, key) }
    func encodeIfPresent(_ value: String?, forKey key: Key) { set(value.map { .string($0) } ?? .null, key) }
    func encodeIfPresent(_ value: Int?, forKey key: Key) { set(value.map { .integer($0) } ?? .null, key) }
    func encodeIfPresent(_ value: Double?, forKey key: Key) { set(value.map { .number($0) } ?? .null, key) }
    func encodeIfPresent<Value: Encodable>(_ value: Value?, forKey key: Key) {
        set(value.map { scalar($0) } ?? .null, key)
    }

    func nestedContainer<Nested: CodingKey>(
        keyedBy keyType: Nested.Type, forKey key: Key
    ) -> KeyedEncodingContainer<Nested> { unsupported() }
    func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedEncodingContainer { unsupported() }
    func superEncoder() -> any Encoder { unsupported() }
    func superEncoder(forKey key: Key) -> any Encoder { unsupported() }
}

private struct ListWriter: UnkeyedEncodingContainer {
    var codingPath: [any CodingKey] { [] }
    let node: TreeNode
    var count: Int { node.value.arrayValue?.count ?? 0 }

    func encodeNil() { append(.null) }
    func encode<Value: Encodable>(_ value: Value) { append(scalar(value)) }
    private func append(_ value: JSONValue) { node.value = .array((node.value.arrayValue ?? []) + [value]) }

    func nestedContainer<Nested: CodingKey>(keyedBy keyType: Nested.Type) -> KeyedEncodingContainer<Nested> {
        unsupported()
    }
    func nestedUnkeyedContainer() -> any UnkeyedEncodingContainer { unsupported() }
    func superEncoder() -> any Encoder { unsupported() }
}

private struct ScalarWriter: SingleValueEncodingContainer {
    var codingPath: [any CodingKey] { [] }
    let node: TreeNode

    func encodeNil() { node.value = .null }
    func encode(_ value: Bool) { node.value = .bool(value) }
    func encode(_ value: String) { node.value = .string(value) }
    func encode(_ value: Int) { node.value = .integer(value) }
    func encode(_ value: Double) { node.value = .number(value) }
    func encode<Value: Encodable>(_ value: Value) { node.value = scalar(value) }
}

/// Hand-written Codable code may ask for these; synthesised code, all that configurations have, never does.
func unsupported(_ function: StaticString = #function) -> Never {
    preconditionFailure("configuration coding: \(function) is not used by synthesised Codable code")
}
