// Reading fields of a JSON configuration: every one typed, range-checked and named in errors. null counts as absent.

package import FileSupport

/// The members of a JSON object with the path to them.
package struct ConfigurationFields {
    package let object: JSONObject
    /// File, and key path within it.
    package let location: String

    package init(_ object: JSONObject, location: String) {
        self.object = object
        self.location = location
    }

    package init(fileAt path: String) throws(InputError) {
        let value = try JSONParser.parse(fileAt: path)
        guard let object = value.objectValue else {
            throw InputError(path, expected: "a JSON object", found: value.kindName)
        }
        self.init(object, location: path)
    }

    package func value(_ key: String) -> JSONValue? {
        guard let value = object[key], value != .null else { return nil }
        return value
    }

    package func has(_ key: String) -> Bool { value(key) != nil }

    package func integer(_ key: String, in range: ClosedRange<Int>, default fallback: Int? = nil)
        throws(InputError)
        -> Int
    {
        guard let value = value(key) else {
            guard let fallback else { throw missing(key) }
            return fallback
        }
        guard let integer = value.integerValue, range.contains(integer) else {
            throw InputError(
                "\(location) \(key)",
                expected: "a whole number from \(range.lowerBound) to \(range.upperBound)",
                found: value.serialized().prefix(40).description)
        }
        return integer
    }

    package func number(_ key: String, in range: ClosedRange<Double>, default fallback: Double? = nil)
        throws(InputError) -> Double
    {
        guard let value = value(key) else {
            guard let fallback else { throw missing(key) }
            return fallback
        }
        guard let number = value.doubleValue, range.contains(number) else {
            throw InputError(
                "\(location) \(key)", expected: "a number from \(range.lowerBound) to \(range.upperBound)",
                found: value.serialized().prefix(40).description)
        }
        return number
    }

    package func bool(_ key: String, default fallback: Bool) throws(InputError) -> Bool {
        guard let value = value(key) else { return fallback }
        guard let bool = value.boolValue else {
            throw InputError("\(location) \(key)", expected: "true or false", found: value.kindName)
        }
        return bool
    }

    package func string(_ key: String, default fallback: String? = nil) throws(InputError) -> String {
        guard let value = value(key) else {
            guard let fallback else { throw missing(key) }
            return fallback
        }
        guard let string = value.stringValue else {
            throw InputError("\(location) \(key)", expected: "a string", found: value.kindName)
        }
        return string
    }

    package func fields(_ key: String) throws(InputError) -> ConfigurationFields? {
        guard let value = value(key) else { return nil }
        guard let object = value.objectValue else {
            throw InputError("\(location) \(key)", expected: "an object", found: value.kindName)
        }
        return ConfigurationFields(object, location: "\(location) \(key)")
    }

    private func missing(_ key: String) -> InputError {
        InputError(
            location, "there is no key \"\(key)\"", advice: NearestName.advice(for: key, among: object.keys))
    }
}
