// Little-endian fields from untrusted bytes, every read checked against the end.

import FileSupport

/// A cursor over a mapped file.
struct ByteReader {
    let file: MappedFile
    private let bytes: UnsafeRawBufferPointer
    private(set) var position: Int

    init(_ file: MappedFile, at position: Int = 0) {
        precondition((0...file.count).contains(position), "ByteReader: \(position) of \(file.count)")
        self.file = file
        bytes = file.bytes
        self.position = position
    }

    var remaining: Int { bytes.count - position }
    var path: String { file.path }

    /// One number; `field` names it in the error.
    mutating func read<Number: FixedWidthInteger>(
        _: Number.Type, _ field: @autoclosure () -> String
    ) throws(InputError) -> Number {
        let size = MemoryLayout<Number>.size
        guard remaining >= size else { throw cutShort(field(), size) }
        let value = bytes.loadUnaligned(fromByteOffset: position, as: Number.self)
        position += size
        return Number(littleEndian: value)
    }

    /// Passes over `count` bytes and gives their range.
    mutating func skip(
        _ count: some BinaryInteger, _ field: @autoclosure () -> String
    ) throws(InputError) -> Range<Int> {
        guard count <= remaining else { throw cutShort(field(), count) }
        let range = position..<position + Int(count)
        position = range.upperBound
        return range
    }

    private func cutShort(_ field: String, _ size: some BinaryInteger) -> InputError {
        InputError(
            "\(path) byte \(position)", expected: "\(size) bytes of \(field)",
            found: "\(remaining) to the end of the file",
            advice: "The file is damaged or cut short; fetch it again.")
    }
}
