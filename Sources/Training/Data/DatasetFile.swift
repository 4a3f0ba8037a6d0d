// Reads data files: one JSON object a line, or one JSON list of objects.

package import FileSupport

/// One record of a data file, and where it stands there.
package struct DatasetRecord: Equatable, Sendable {
    package var fields: JSONObject
    /// The file with the line, or the place in the list: what error messages begin with.
    package var location: String

    package init(fields: JSONObject, location: String) {
        self.fields = fields
        self.location = location
    }
}

package enum DatasetFile {
    /// Gives every record of a file to `body`, in order.
    /// - Throws: `InputError` with the line when a record is not a JSON object; when the file is empty; what `body`
    ///   throws.
    package static func forEachRecord(
        in path: String, _ body: (DatasetRecord) throws(InputError) -> Void
    ) throws(InputError) {
        let file = try MappedFile(path: path)
        file.advise(.sequential)
        let count = try file.withBytes { bytes throws(InputError) in
            try forEachRecord(of: bytes, path: path, body)
        }
        if count == 0 {
            throw InputError(
                path, "the file holds no records", advice: "Put one JSON object on each line")
        }
    }

    private static func forEachRecord(
        of bytes: UnsafeRawBufferPointer, path: String, _ body: (DatasetRecord) throws(InputError) -> Void
    ) throws(InputError) -> Int {
        // Editors on Windows begin UTF-8 files with this mark.
        let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
        let content = UnsafeRawBufferPointer(rebasing: bytes.dropFirst(bytes.starts(with: mark) ? 3 : 0))
        let first = content.first { !isSpace($0) && $0 != UInt8(ascii: "\n") }
        if first == UInt8(ascii: "[") { return try forEachItem(of: content, path: path, body) }
        var (start, line, count) = (0, 1, 0)
        while start < content.count {
            let rest = content[start...]
            let end = rest.firstIndex(of: UInt8(ascii: "\n")) ?? content.count
            let text = UnsafeRawBufferPointer(rebasing: content[start..<end])
            if !text.allSatisfy(isSpace) {
                let location = "\(path) line \(line)"
                try body(DatasetRecord(fields: record(text, path: path, line: line), location: location))
                count += 1
            }
            start = end + 1
            line += 1
        }
        return count
    }

    private static func record(
        _ text: UnsafeRawBufferPointer, path: String, line: Int
    ) throws(InputError) -> JSONObject {
        let value: JSONValue
        do {
            value = try JSONParser.parse(text, location: path, firstLine: line)
        } catch {
            var located = error
            located.advice =
                "Put one whole JSON object on each line, or make the file one JSON list of objects"
            throw located
        }
        guard let fields = value.objectValue else {
            throw InputError("\(path) line \(line)", expected: "a JSON object", found: value.kindName)
        }
        return fields
    }

    private static func forEachItem(
        of content: UnsafeRawBufferPointer, path: String,
        _ body: (DatasetRecord) throws(InputError) -> Void
    ) throws(InputError) -> Int {
        let items = try JSONParser.parse(content, location: path).arrayValue ?? []
        for (index, item) in items.enumerated() {
            let location = "\(path) item \(index + 1)"
            guard let fields = item.objectValue else {
                throw InputError(location, expected: "a JSON object", found: item.kindName)
            }
            try body(DatasetRecord(fields: fields, location: location))
        }
        return items.count
    }

    private static func isSpace(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") || byte == UInt8(ascii: "\r")
    }
}
