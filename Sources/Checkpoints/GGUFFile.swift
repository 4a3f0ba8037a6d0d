// Reading GGUF (versions 2 and 3): header, typed metadata, tensor table, then aligned tensor data.

package import FileSupport

/// A mapped GGUF file; header, metadata and tensor table have been checked completely.
package final class GGUFFile: WeightSource {
    package let path: String
    package let version: Int
    package let metadata: GGUFMetadata
    package let tensorNames: [String]

    static let magic = Array("GGUF".utf8)

    private let file: MappedFile
    private let dataStart: Int
    /// Keyed by String: names that are canonically equal but not byte-equal are refused as repeated.
    private let entries: [String: GGUFTensorEntry]

    /// - Throws: `InputError` naming the field when anything in the header, metadata or tensor table is wrong.
    package convenience init(path: String) throws(InputError) {
        try self.init(MappedFile(path: path))
    }

    init(_ file: MappedFile) throws(InputError) {
        let path = file.path
        var reader = ByteReader(file)
        let magic = try reader.skip(4, "the file's magic")
        guard file.bytes[magic].elementsEqual(Self.magic) else {
            throw InputError(path, "the file does not start with \"GGUF\"")
        }
        let version = try reader.read(UInt32.self, "the version")
        guard version == 2 || version == 3 else {
            let advice = version & 0xFFFF == 0 ? "It is a big-endian file, which is not supported." : nil
            throw InputError(path, expected: "GGUF version 2 or 3", found: "\(version)", advice: advice)
        }
        let tensorCount = try reader.readCount("tensors", smallestSize: GGUFTensorEntry.smallestSize)
        let metadataCount = try reader.readCount("metadata values", smallestSize: GGUFMetadata.smallestSize)
        let metadata = try GGUFMetadata(&reader, count: metadataCount)
        let alignment = try metadata.alignment()

        var names: [String] = []
        var entries: [String: GGUFTensorEntry] = [:]
        for index in 0..<tensorCount {
            let name = try reader.readString("the name of tensor \(index)")
            let entry = try GGUFTensorEntry(&reader, name: name, alignment: alignment)
            guard entries.updateValue(entry, forKey: name) == nil else {
                throw InputError("\(path) tensor \(name)", "the name appears twice")
            }
            names.append(name)
        }
        // No overflow: a position in a file plus less than 2^32.
        dataStart = (reader.position + alignment - 1) / alignment * alignment
        try Self.checkExtents(names, entries, dataLength: file.count - dataStart, path: path)
        self.file = file
        self.path = path
        self.version = Int(version)
        self.metadata = metadata
        tensorNames = names
        self.entries = entries
        extendLifetime(file)
    }

    package func contains(_ name: String) -> Bool { entries[name] != nil }

    package func tensor(named name: String) throws(InputError) -> StoredTensor {
        guard let entry = entries[name] else { throw missing(name) }
        guard let type = entry.type.storedType else {
            throw InputError(
                "\(path) tensor \(name)",
                "it is quantised as \(entry.type.name), which this version cannot decode",
                advice: "Use a file in one of \(GGUFTensorType.decodableNames.joined(separator: ", ")).")
        }
        let start = dataStart + entry.range.lowerBound
        return StoredTensor(
            name: name, type: type, shape: entry.shape, range: start..<start + entry.range.count, owner: file)
    }

    /// Tensors must lie within the file and apart from each other. Padding between them is allowed.
    private static func checkExtents(
        _ names: [String], _ entries: [String: GGUFTensorEntry], dataLength: Int, path: String
    ) throws(InputError) {
        var end = 0
        var previous = ""
        for (name, entry) in entries.sorted(by: { $0.value.range.lowerBound < $1.value.range.lowerBound }) {
            guard entry.range.upperBound <= dataLength else {
                throw InputError(
                    "\(path) tensor \(name)",
                    expected: "data within the file's \(max(0, dataLength)) bytes of tensors",
                    found: "bytes \(entry.range)", advice: "The file is cut short; fetch it again.")
            }
            if entry.range.isEmpty { continue }
            guard entry.range.lowerBound >= end else {
                throw InputError("\(path) tensor \(name)", "its data overlap those of \(previous)")
            }
            end = entry.range.upperBound
            previous = name
        }
    }
}

/// One row of the tensor table.
struct GGUFTensorEntry {
    /// Name length, dimension count, type and offset.
    static let smallestSize = 8 + 4 + 4 + 8
    private static let mostDimensions = 4

    let type: GGUFTensorType
    /// Row-major; the file lists the innermost dimension first.
    let shape: [Int]
    /// Bytes from the start of the tensor data.
    let range: Range<Int>

    init(_ reader: inout ByteReader, name: String, alignment: Int) throws(InputError) {
        let location = "\(reader.path) tensor \(name)"
        let dimensionCount = try reader.read(UInt32.self, "the dimension count of \(name)")
        guard dimensionCount <= Self.mostDimensions else {
            throw InputError(
                location, expected: "at most \(Self.mostDimensions) dimensions", found: "\(dimensionCount)")
        }
        var dimensions: [Int] = []
        for _ in 0..<dimensionCount {
            let dimension = try reader.read(UInt64.self, "the dimensions of \(name)")
            guard let dimension = Int(exactly: dimension) else {
                throw InputError(location, "a dimension of \(dimension) is more than any file can hold")
            }
            dimensions.append(dimension)
        }
        shape = dimensions.reversed()
        let code = try reader.read(UInt32.self, "the type of \(name)")
        guard let type = GGUFTensorType.withCode(code) else {
            throw InputError(location, "its type number \(code) is not a ggml type that this version knows")
        }
        self.type = type
        let offset = try reader.read(UInt64.self, "the offset of \(name)")
        guard let byteCount = type.block.byteCount(shape: shape) else {
            throw InputError(
                location, "the shape \(shape) does not suit type \(type.name)",
                advice:
                    "Rows must hold whole blocks of \(type.block.elementCount), and the size fit any file.")
        }
        guard let start = Int(exactly: offset), !start.addingReportingOverflow(byteCount).overflow,
            start.isMultiple(of: alignment)
        else {
            throw InputError(
                location, expected: "an offset that is a multiple of \(alignment)", found: "\(offset)")
        }
        range = start..<start + byteCount
    }
}

extension ByteReader {
    /// A count of things to come, checked against the bytes that are left for them.
    fileprivate mutating func readCount(_ what: String, smallestSize: Int) throws(InputError) -> Int {
        let count = try read(UInt64.self, "the number of \(what)")
        guard count <= remaining / smallestSize else {
            throw InputError(path, "the file claims \(count) \(what), more than the rest of it can hold")
        }
        return Int(count)
    }
}
