// A JSON document that keeps what Foundation's types lose: the order of members, exact key bytes and integers.

/// One JSON value. Objects keep their members in file order.
public enum JSONValue: Equatable, Sendable {
    /// `null`
    case null
    /// `true` or `false`
    case bool(Bool)
    /// A number written without fraction or exponent that fits an `Int`.
    case integer(Int)
    /// Any other number.
    case number(Double)
    /// A string; compare its `utf8` where canonical equivalence would be wrong.
    case string(String)
    /// A list.
    case array([JSONValue])
    /// An object, members in file order.
    case object(JSONObject)
}

extension JSONValue {
    /// The string, or nil when this is not one.
    public var stringValue: String? { if case .string(let value) = self { value } else { nil } }
    /// The truth value, or nil when this is not one.
    public var boolValue: Bool? { if case .bool(let value) = self { value } else { nil } }
    /// The whole number (`3` and `3.0` alike), or nil when this is not one.
    public var integerValue: Int? {
        switch self {
        case .integer(let value): value
        case .number(let value): Int(exactly: value)
        default: nil
        }
    }
    /// The number as floating point, or nil when this is not one.
    public var doubleValue: Double? {
        switch self {
        case .integer(let value): Double(value)
        case .number(let value): value
        default: nil
        }
    }
    /// The elements, or nil when this is not a list.
    public var arrayValue: [JSONValue]? { if case .array(let value) = self { value } else { nil } }
    /// The object, or nil when this is not one.
    public var objectValue: JSONObject? { if case .object(let value) = self { value } else { nil } }
    /// The value of a member, or nil when this is not an object or has no such key.
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
