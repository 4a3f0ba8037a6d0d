// A JSON document that keeps what Foundation's types lose: the order of members, exact key bytes and integers.

/// One JSON value. Objects keep their members in file order.
public indirect enum JSONValue: Equatable, Sendable {
    case null
    case bool(Bool)
    case integer(Int)
    case number(Double)
    case string(String)
    case array([JSONValue])
    case object(JSONObject)
}

/// The members of a JSON object in file order, found by the exact bytes of their keys.
///
/// Swift compares strings by canonical equivalence, so "é" composed and decomposed would be one `Dictionary` key;
/// a vocabulary has both. Keys are therefore compared by their UTF-8 bytes.
public struct JSONObject: Equatable, Sendable {
    /// Members in file order.
    public private(set) var members: [(key: String, value: JSONValue)] = []
    private var positions: [ByteKey: Int] = [:]

    private struct ByteKey: Hashable, Sendable {
        let bytes: [UInt8]
        init(_ key: String) { bytes = Array(key.utf8) }
    }

    public init() {}

    public init(_ members: [(key: String, value: JSONValue)]) {
        for member in members { self[member.key] = member.value }
    }

    /// The value of a key; setting an existing key replaces its value in place, setting nil removes it.
    public subscript(key: String) -> JSONValue? {
        get { positions[ByteKey(key)].map { members[$0].value } }
        set {
            let byteKey = ByteKey(key)
            switch (positions[byteKey], newValue) {
            case (let position?, let value?):
                members[position].value = value
            case (nil, let value?):
                positions[byteKey] = members.count
                members.append((key, value))
            case (let position?, nil):
                members.remove(at: position)
                positions[byteKey] = nil
                for (otherKey, other) in positions where other > position { positions[otherKey] = other - 1 }
            case (nil, nil):
                break
            }
        }
    }

    public var count: Int { members.count }
    public var keys: [String] { members.map(\.key) }

    public static func == (left: JSONObject, right: JSONObject) -> Bool {
        left.count == right.count
            && left.members.allSatisfy { right[$0.key] == $0.value }
    }
}

extension JSONValue {
    public var stringValue: String? { if case .string(let value) = self { value } else { nil } }
    public var boolValue: Bool? { if case .bool(let value) = self { value } else { nil } }
    public var integerValue: Int? {
        switch self {
        case .integer(let value): value
        case .number(let value): Int(exactly: value)
        default: nil
        }
    }
    public var doubleValue: Double? {
        switch self {
        case .integer(let value): Double(value)
        case .number(let value): value
        default: nil
        }
    }
    public var arrayValue: [JSONValue]? { if case .array(let value) = self { value } else { nil } }
    public var objectValue: JSONObject? { if case .object(let value) = self { value } else { nil } }
    public subscript(key: String) -> JSONValue? { objectValue?[key] }

    /// What kind of value this is, in a user's words, for error messages.
    public var kindName: String {
        switch self {
        case .null: "null"
        case .bool: "true or false"
        case .integer, .number: "a number"
        case .string: "a string"
        case .array: "a list"
        case .object: "an object"
        }
    }
}
