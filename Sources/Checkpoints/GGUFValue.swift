// The typed values of GGUF metadata. Arrays stay in the mapped file until someone asks for their elements.

package import FileSupport

/// The type codes of GGUF metadata values.
package enum GGUFValueType: UInt32, Sendable {
    case uint8 = 0
    case int8 = 1
    case uint16 = 2
    case int16 = 3
    case uint32 = 4
    case int32 = 5
    case float32 = 6
    case bool = 7
    case string = 8
    case array = 9
    case uint64 = 10
    case int64 = 11
    case float64 = 12

    /// Bytes of one value; nil for strings and arrays, whose size varies.
    var fixedSize: Int? {
        switch self {
        case .uint8, .int8, .bool: 1
        case .uint16, .int16: 2
        case .uint32, .int32, .float32: 4
        case .uint64, .int64, .float64: 8
        case .string, .array: nil
        }
    }

    /// The fewest bytes one value takes, by which a count is checked before anything is done with it.
    var smallestSize: Int { fixedSize ?? (self == .string ? 8 : 12) }
}

/// One metadata value.
package enum GGUFValue: Sendable {
    case unsigned(UInt64, GGUFValueType)
    case signed(Int64, GGUFValueType)
    case floating(Double, GGUFValueType)
    case bool(Bool)
    case string(String)
    case array(GGUFArray)

    /// The whole number, of whatever width; nil when this is none or does not fit.
    package var intValue: Int? {
        switch self {
        case .unsigned(let value, _): Int(exactly: value)
        case .signed(let value, _): Int(exactly: value)
        default: nil
        }
    }
    /// The number, whole or not.
    package var doubleValue: Double? {
        switch self {
        case .unsigned(let value, _): Double(value)
        case .signed(let value, _): Double(value)
        case .floating(let value, _): value
        default: nil
        }
    }
    package var boolValue: Bool? { if case .bool(let value) = self { value } else { nil } }
    package var stringValue: String? { if case .string(let value) = self { value } else { nil } }
    package var arrayValue: GGUFArray? { if case .array(let value) = self { value } else { nil } }

    /// What kind of value this is, in a user's words.
    package var kindName: String {
        switch self {
        case .unsigned, .signed: "a whole number"
        case .floating: "a number"
        case .bool: "true or false"
        case .string: "a string"
        case .array: "a list"
        }
    }
}

/// A metadata array: checked when the file was opened, decoded when asked for.
// Sendable: only ranges of a read-only mapping.
package struct GGUFArray: Sendable {
    package let elementType: GGUFValueType
    package let count: Int
    let key: String
    let range: Range<Int>
    let file: MappedFile

    /// The elements of an array of strings.
    ///
    /// - Throws: `InputError` when they are not strings, or not UTF-8.
    package func strings() throws(InputError) -> [String] {
        var strings: [String] = []
        strings.reserveCapacity(count)
        try forEachStringRange { index, range throws(InputError) in
            let bytes = UnsafeRawBufferPointer(rebasing: file.bytes[range])
            guard let string = String(validating: bytes, as: UTF8.self) else {
                throw InputError(
                    "\(file.path) metadata \(key) element \(index)", "the string is not valid UTF-8")
            }
            strings.append(string)
        }
        return strings
    }

    /// Calls `body` with the bytes of every string, in order, without copying; the pointer is valid only meanwhile.
    ///
    /// - Throws: `InputError` when the elements are not strings, or what `body` throws.
    package func forEachString(
        _ body: (UnsafeRawBufferPointer) throws(InputError) -> Void
    ) throws(InputError) {
        try forEachStringRange { _, range throws(InputError) in
            try body(UnsafeRawBufferPointer(rebasing: file.bytes[range]))
        }
    }

    /// The elements of an array of whole numbers of any width.
    ///
    /// - Throws: `InputError` when they are not, or when one does not fit an `Int`.
    package func integers() throws(InputError) -> [Int] {
        var integers: [Int] = []
        integers.reserveCapacity(elementType.fixedSize == nil ? 0 : count)
        for value in try elements() {
            guard let integer = value.intValue else {
                throw InputError(
                    "\(file.path) metadata \(key)", expected: "whole numbers", found: value.kindName)
            }
            integers.append(integer)
        }
        return integers
    }

    /// The elements of an array of numbers.
    ///
    /// - Throws: `InputError` when they are not numbers.
    package func doubles() throws(InputError) -> [Double] {
        var doubles: [Double] = []
        doubles.reserveCapacity(elementType.fixedSize == nil ? 0 : count)
        for value in try elements() {
            guard let double = value.doubleValue else {
                throw InputError("\(file.path) metadata \(key)", expected: "numbers", found: value.kindName)
            }
            doubles.append(double)
        }
        return doubles
    }

    /// The elements one by one, whatever they are; nested arrays again undecoded.
    package func elements() throws(InputError) -> [GGUFValue] {
        var reader = ByteReader(file, at: range.lowerBound)
        var values: [GGUFValue] = []
        values.reserveCapacity(count)
        for _ in 0..<count { values.append(try GGUFValue(&reader, elementType, key: key, depth: 1)) }
        extendLifetime(file)
        return values
    }

    private func forEachStringRange(
        _ body: (Int, Range<Int>) throws(InputError) -> Void
    ) throws(InputError) {
        guard elementType == .string else {
            throw InputError(
                "\(file.path) metadata \(key)", expected: "strings", found: "\(elementType) values")
        }
        var reader = ByteReader(file, at: range.lowerBound)
        for index in 0..<count { try body(index, try reader.readStringRange(key)) }
        extendLifetime(file)
    }
}

extension ByteReader {
    /// The bytes of a string that its length precedes.
    mutating func readStringRange(_ field: @autoclosure () -> String) throws(InputError) -> Range<Int> {
        try skip(try read(UInt64.self, "the length of \(field())"), field())
    }
}

extension GGUFValue {
    /// Arrays nested deeper than this are refused; no writer nests at all.
    private static let deepestNesting = 4

    /// Reads a value; arrays are passed over, their extent checked.
    init(_ reader: inout ByteReader, _ type: GGUFValueType, key: String, depth: Int) throws(InputError) {
        switch type {
        case .uint8: self = .unsigned(UInt64(try reader.read(UInt8.self, key)), type)
        case .uint16: self = .unsigned(UInt64(try reader.read(UInt16.self, key)), type)
        case .uint32: self = .unsigned(UInt64(try reader.read(UInt32.self, key)), type)
        case .uint64: self = .unsigned(try reader.read(UInt64.self, key), type)
        case .int8: self = .signed(Int64(try reader.read(Int8.self, key)), type)
        case .int16: self = .signed(Int64(try reader.read(Int16.self, key)), type)
        case .int32: self = .signed(Int64(try reader.read(Int32.self, key)), type)
        case .int64: self = .signed(try reader.read(Int64.self, key), type)
        case .float32:
            self = .floating(Double(Float(bitPattern: try reader.read(UInt32.self, key))), type)
        case .float64: self = .floating(Double(bitPattern: try reader.read(UInt64.self, key)), type)
        case .bool:
            let byte = try reader.read(UInt8.self, key)
            guard byte <= 1 else {
                throw InputError(
                    "\(reader.path) metadata \(key)", expected: "a bool of 0 or 1", found: "\(byte)")
            }
            self = .bool(byte == 1)
        case .string: self = .string(try reader.readString(key))
        case .array: self = .array(try GGUFArray(&reader, key: key, depth: depth + 1))
        }
    }

    /// Passes over `count` values without making them.
    fileprivate static func skip(
        _ count: Int, _ type: GGUFValueType, _ reader: inout ByteReader, key: String, depth: Int
    ) throws(InputError) {
        guard depth <= deepestNesting else {
            throw InputError("\(reader.path) metadata \(key)", "its lists nest deeper than \(deepestNesting)")
        }
        if let size = type.fixedSize {
            // No overflow: the count was checked against the bytes that remain.
            _ = try reader.skip(count * size, key)
            return
        }
        for _ in 0..<count {
            if type == .string {
                _ = try reader.readStringRange(key)
            } else {
                _ = try GGUFArray(&reader, key: key, depth: depth + 1)
            }
        }
    }
}

extension GGUFArray {
    init(_ reader: inout ByteReader, key: String, depth: Int) throws(InputError) {
        elementType = try reader.readValueType(key)
        let count = try reader.read(UInt64.self, key)
        guard count <= reader.remaining / elementType.smallestSize else {
            throw InputError(
                "\(reader.path) metadata \(key)",
                "it claims \(count) elements, more than the rest of the file can hold")
        }
        self.count = Int(count)
        self.key = key
        file = reader.file
        let start = reader.position
        try GGUFValue.skip(self.count, elementType, &reader, key: key, depth: depth)
        range = start..<reader.position
    }
}

extension ByteReader {
    mutating func readValueType(_ key: String) throws(InputError) -> GGUFValueType {
        let code = try read(UInt32.self, "the type of \(key)")
        guard let type = GGUFValueType(rawValue: code) else {
            throw InputError("\(path) metadata \(key)", expected: "a value type of 0 to 12", found: "\(code)")
        }
        return type
    }

    mutating func readString(_ field: @autoclosure () -> String) throws(InputError) -> String {
        let range = try readStringRange(field())
        let bytes = UnsafeRawBufferPointer(rebasing: file.bytes[range])
        guard let string = String(validating: bytes, as: UTF8.self) else {
            throw InputError("\(path) byte \(range.lowerBound)", "\(field()) is not valid UTF-8")
        }
        return string
    }
}
