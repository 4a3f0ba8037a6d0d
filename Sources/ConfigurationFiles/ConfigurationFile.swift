// Configuration text to trees: JSON through our own parser, YAML through Yams with limits that no file can exceed.

package import FileSupport
internal import Yams

/// Reads configuration files, sparsity plans and the values of `--set`.
package enum ConfigurationFile {
    /// A configuration larger than this is something else by mistake.
    static let largestFile = 1 << 20
    /// Deeper nesting than any configuration has.
    static let deepestNesting = 32
    /// Values in all, aliases expanded.
    static let mostValues = 100_000
    /// Aliases (`*name`) in one file. Nested aliases multiply: sixteen can repeat a value at most a few hundred times,
    /// which bounds the work of the YAML library itself, before `mostValues` can be counted.
    static let mostAliases = 16

    /// The tree of a `.json`, `.yaml` or `.yml` file. A file that starts with `{` is JSON whatever its name.
    ///
    /// - Throws: `InputError` when the file cannot be read, is no such text or exceeds a limit.
    package static func read(_ path: String) throws(InputError) -> JSONObject {
        let file = try MappedFile(path: path)
        guard file.count <= largestFile else {
            throw InputError(
                path, expected: "a configuration of at most \(largestFile) bytes", found: "\(file.count)")
        }
        let bytes = file.withBytes { Array($0) }
        let firstByte = bytes.first { !" \t\r\n".utf8.contains($0) }
        let tree: JSONValue
        if path.hasSuffix(".json") || firstByte == UInt8(ascii: "{") {
            tree = try JSONParser.parse(bytes, location: path)
        } else {
            guard let text = String(validating: bytes, as: UTF8.self) else {
                throw InputError(path, "the file is not UTF-8 text")
            }
            tree = try yaml(text, location: path)
        }
        switch tree {
        case .object(let object): return object
        case .null: return JSONObject()
        default: throw InputError(path, expected: "keys and values", found: tree.kindName)
        }
    }

    /// The tree of YAML text; empty text is null.
    package static func yaml(_ text: String, location: String) throws(InputError) -> JSONValue {
        let aliases = aliasCount(in: text.utf8)
        guard aliases <= mostAliases else {
            throw InputError(
                location, "\(aliases) aliases (\"*name\") are more than the \(mostAliases) that are allowed")
        }
        let node: Node?
        do {
            node = try Yams.compose(yaml: text)
        } catch let error as YamlError {
            throw InputError(location, "the YAML cannot be read: \(firstLines(of: error))")
        } catch {
            throw InputError(location, "the YAML cannot be read: \(error)")
        }
        guard let node else { return .null }
        var remaining = mostValues
        return try value(of: node, location: location, depth: 0, remaining: &remaining)
    }

    /// Stars that could start an alias: after a space or bracket, before a name. Counts too many rather than too few.
    private static func aliasCount(in text: String.UTF8View) -> Int {
        var count = 0
        var previous = UInt8(ascii: "\n")
        var isAfterStar = false
        for byte in text {
            if isAfterStar, byte > UInt8(ascii: " ") { count += 1 }
            isAfterStar = byte == UInt8(ascii: "*") && (previous <= 0x20 || "[{,:-?".utf8.contains(previous))
            previous = byte
        }
        return count
    }

    private static func value(
        of node: Node, location: String, depth: Int, remaining: inout Int
    ) throws(InputError) -> JSONValue {
        remaining -= 1
        guard remaining >= 0 else {
            throw InputError(location, "more than \(mostValues) values, aliases expanded")
        }
        guard depth <= deepestNesting else {
            throw InputError(location, "values are nested deeper than \(deepestNesting) levels")
        }
        switch node {
        case .scalar(let scalar): return self.scalar(scalar)
        case .sequence(let sequence):
            var elements: [JSONValue] = []
            for element in sequence {
                elements.append(
                    try value(of: element, location: location, depth: depth + 1, remaining: &remaining))
            }
            return .array(elements)
        case .mapping(let mapping):
            var object = JSONObject()
            for (key, member) in mapping {
                guard case .scalar(let name) = key else {
                    throw InputError(location, expected: "text as a key", found: "a list or object")
                }
                object[name.string] = try value(
                    of: member, location: location, depth: depth + 1, remaining: &remaining)
            }
            return .object(object)
        case .alias: throw InputError(location, "an alias that stands for nothing")
        }
    }

    /// A scalar by YAML 1.2's core schema. YAML 1.1, which most libraries still follow, reads `1e-4` as text and `no`
    /// as false; neither is what someone who writes a learning rate or a name means.
    private static func scalar(_ scalar: Node.Scalar) -> JSONValue {
        let text = scalar.string
        guard scalar.style == .plain || scalar.style == .any else { return .string(text) }
        switch text {
        case "", "~", "null", "Null", "NULL": return .null
        case "true", "True", "TRUE": return .bool(true)
        case "false", "False", "FALSE": return .bool(false)
        default: break
        }
        if let number = Int(text) { return .integer(number) }
        // Only what looks like a decimal number: Double("nan") and Double("0x1p3") are numbers to Swift too.
        let looksNumeric = text.utf8.allSatisfy { "0123456789+-.eE".utf8.contains($0) }
        if looksNumeric, text.utf8.contains(where: { (48...57).contains($0) }), let number = Double(text) {
            return .number(number)
        }
        return .string(text)
    }

    /// The message without the quoted source, which may be long.
    private static func firstLines(of error: YamlError) -> String {
        switch error {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            "line \(mark.line) column \(mark.column): \(problem)"
        case .duplicatedKeysInMapping(let duplicates, _):
            "the key \"\(duplicates.first ?? "")\" appears twice"
        default: String("\(error)".prefix(200))
        }
    }
}
