// Reading one safetensors file: 8 bytes header length, a JSON header, then the tensors' bytes without gaps.

package import FileSupport

/// A mapped safetensors file whose header has been checked completely.
package final class SafetensorsFile: WeightSource {
    package let path: String
    package let tensorNames: [String]
    /// The free-form strings under `__metadata__`, in file order.
    package let metadata: [(key: String, value: String)]

    private let file: MappedFile
    private let dataStart: Int
    /// Keyed by String: names that are canonically equal but not byte-equal are refused as repeated.
    private var entries: [String: SafetensorsEntry] = [:]

    /// The limit of the reference implementation.
    private static let largestHeader = 100_000_000

    /// - Throws: `InputError` naming the tensor and field when anything in the header is wrong.
    package convenience init(path: String) throws(InputError) {
        try self.init(MappedFile(path: path))
    }

    init(_ file: MappedFile) throws(InputError) {
        let path = file.path
        var reader = ByteReader(file)
        let headerLength = try reader.read(UInt64.self, "the header length")
        guard headerLength <= Self.largestHeader, headerLength <= reader.remaining else {
            throw InputError(
                path, expected: "a header of at most \(min(reader.remaining, Self.largestHeader)) bytes",
                found: "header length \(headerLength)",
                advice: "This is no safetensors file, or it is cut short.")
        }
        let headerRange = 8..<8 + Int(headerLength)
        guard headerLength > 0, file.bytes[8] == UInt8(ascii: "{") else {
            throw InputError(path, "the header does not start with \"{\"")
        }
        let location = "\(path) header"
        let header = try file.withBytes { bytes throws(InputError) in
            try JSONParser.parse(UnsafeRawBufferPointer(rebasing: bytes[headerRange]), location: location)
        }
        guard let members = header.objectValue?.members else {
            throw InputError(location, expected: "an object", found: header.kindName)
        }

        self.file = file
        self.path = path
        dataStart = headerRange.upperBound
        var metadata: [(key: String, value: String)] = []
        var names: [String] = []
        var entries: [SafetensorsEntry] = []
        for (name, value) in members {
            if name == "__metadata__" {
                metadata = try Self.metadata(value, location: location)
                continue
            }
            let entry = try SafetensorsEntry(value, location: "\(path) tensor \(name)")
            names.append(name)
            entries.append(entry)
            guard self.entries.updateValue(entry, forKey: name) == nil else {
                throw InputError("\(path) tensor \(name)", "the name appears twice")
            }
        }
        self.metadata = metadata
        tensorNames = names
        try Self.checkCoverage(names, entries, dataLength: file.count - dataStart, path: path)
    }

    package func contains(_ name: String) -> Bool { entries[name] != nil }

    package func tensor(named name: String) throws(InputError) -> StoredTensor {
        guard let entry = entries[name] else { throw missing(name) }
        let range = dataStart + entry.range.lowerBound..<dataStart + entry.range.upperBound
        return StoredTensor(name: name, type: entry.type, shape: entry.shape, range: range, owner: file)
    }

    private static func metadata(
        _ value: JSONValue, location: String
    ) throws(InputError) -> [(key: String, value: String)] {
        guard let members = value.objectValue?.members else {
            throw InputError("\(location) __metadata__", expected: "an object", found: value.kindName)
        }
        var strings: [(key: String, value: String)] = []
        for (key, value) in members {
            guard let string = value.stringValue else {
                throw InputError(
                    "\(location) __metadata__.\(key)", expected: "a string", found: value.kindName)
            }
            strings.append((key, string))
        }
        return strings
    }

    /// The tensors must cover the data exactly: overlaps would alias weights, gaps could hide content.
    private static func checkCoverage(
        _ names: [String], _ entries: [SafetensorsEntry], dataLength: Int, path: String
    ) throws(InputError) {
        let order = entries.indices.sorted {
            let (left, right) = (entries[$0].range, entries[$1].range)
            return (left.lowerBound, left.upperBound) < (right.lowerBound, right.upperBound)
        }
        var end = 0
        for index in order {
            let range = entries[index].range
            guard range.lowerBound == end else {
                throw InputError(
                    "\(path) tensor \(names[index])", expected: "data_offsets that start at \(end)",
                    found: "\(range.lowerBound)",
                    advice: "Tensors must follow each other without gap or overlap.")
            }
            end = range.upperBound
        }
        guard end == dataLength else {
            throw InputError(
                path, expected: "\(end) bytes of tensors after the header", found: "\(dataLength)",
                advice: end > dataLength ? "The file is cut short; fetch it again." : nil)
        }
    }
}

/// One tensor's entry of the header.
struct SafetensorsEntry {
    let type: StoredType
    let shape: [Int]
    /// Bytes from the end of the header.
    let range: Range<Int>

    init(_ value: JSONValue, location: String) throws(InputError) {
        guard let object = value.objectValue else {
            throw InputError(location, expected: "an object", found: value.kindName)
        }
        guard let typeName = object["dtype"]?.stringValue else {
            throw InputError(location, "the header has no \"dtype\" string for it")
        }
        guard let type = StoredType(rawValue: typeName), !type.isBlockQuantised else {
            throw InputError(location, "its type \(typeName.prefix(40)) is not one that this version reads")
        }
        let shape = try Self.sizes(object["shape"], "shape", location: location)
        let offsets = try Self.sizes(object["data_offsets"], "data_offsets", location: location)
        guard offsets.count == 2, offsets[0] <= offsets[1] else {
            throw InputError(location, expected: "data_offsets [begin, end]", found: "\(offsets.prefix(4))")
        }
        guard let byteCount = type.block.byteCount(shape: shape) else {
            throw InputError(location, "the shape \(shape.prefix(8)) has more values than any file can hold")
        }
        guard byteCount == offsets[1] - offsets[0] else {
            throw InputError(
                location, expected: "\(byteCount) bytes for \(typeName) \(shape)",
                found: "\(offsets[1] - offsets[0])")
        }
        self.type = type
        self.shape = shape
        range = offsets[0]..<offsets[1]
    }

    private static func sizes(
        _ value: JSONValue?, _ key: String, location: String
    ) throws(InputError) -> [Int] {
        guard let elements = value?.arrayValue else {
            throw InputError(location, "the header has no list \"\(key)\" for it")
        }
        var sizes: [Int] = []
        sizes.reserveCapacity(elements.count)
        for element in elements {
            guard case .integer(let size) = element, size >= 0 else {
                throw InputError(location, "\"\(key)\" must hold whole numbers of zero or more")
            }
            sizes.append(size)
        }
        return sizes
    }
}
