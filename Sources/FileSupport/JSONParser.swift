// Strict JSON (RFC 8259) from untrusted bytes: every error names line and column, depth and number range are bounded.

/// Parses JSON text.
///
/// Accepts exactly RFC 8259 in UTF-8 without a byte order mark. Integers that fit are kept exact; other numbers become
/// `Double`, and one too large for a `Double` is an error. A key that appears twice in one object is an error: readers
/// disagree about which value stands, so such a file means different things to different tools.
public enum JSONParser {
    /// Arrays and objects nested deeper than this are an error, so that no file can exhaust the stack.
    public static let deepestNesting = 256

    /// Parses one document.
    ///
    /// - Parameters:
    ///   - bytes: UTF-8 text; only read during the call.
    ///   - location: what to call the text in errors, usually a path.
    ///   - firstLine: the number of the text's first line, for one line of a larger file.
    /// - Throws: `InputError` located at `location line L column C`.
    public static func parse(
        _ bytes: UnsafeRawBufferPointer, location: String, firstLine: Int = 1
    ) throws(InputError) -> JSONValue {
        var scanner = JSONScanner(bytes: bytes)
        do throws(JSONScanner.Failure) {
            return try scanner.parseDocument()
        } catch {
            let (line, column) = scanner.lineAndColumn(of: error.offset)
            throw InputError("\(location) line \(firstLine + line) column \(column)", error.problem)
        }
    }

    /// Parses one document held in an array; see `parse(_:location:firstLine:)` above.
    public static func parse(
        _ bytes: [UInt8], location: String, firstLine: Int = 1
    ) throws(InputError) -> JSONValue {
        try bytes.span.withUnsafeBytes { buffer throws(InputError) in
            try parse(buffer, location: location, firstLine: firstLine)
        }
    }

    /// Parses one document held in a string; see `parse(_:location:firstLine:)` above.
    public static func parse(
        _ text: String, location: String, firstLine: Int = 1
    ) throws(InputError) -> JSONValue {
        try parse(Array(text.utf8), location: location, firstLine: firstLine)
    }

    /// Parses a whole file.
    ///
    /// - Throws: `InputError` when the file cannot be read or is not valid JSON.
    public static func parse(fileAt path: String) throws(InputError) -> JSONValue {
        let file = try MappedFile(path: path)
        return try file.withBytes { bytes throws(InputError) in try parse(bytes, location: path) }
    }
}
