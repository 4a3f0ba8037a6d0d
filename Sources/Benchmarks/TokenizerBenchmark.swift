// Compares a tokenizer with reference ids on many megabytes, and measures its speed on the way.

internal import ArgumentParser
internal import FileSupport
internal import Foundation
internal import Tokenization

struct TokenizerBenchmark: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tokenizer",
        abstract: "A tokenizer's ids against those of a reference, and its speed on one core.",
        discussion: """
            Reads documents from files NAME.documents: for each its length in bytes, 32-bit and little-endian, and its \
            UTF-8. What the reference makes of them is in the file NAME.reference of the folder of references: for each \
            document the number of its ids, the CRC-32 of the ids (32-bit, little-endian), and that of the text that \
            they decode to, special tokens included, or 0 where decoding is not compared. Prints a line of JSON for each file. Speed is by the processor \
            time of the thread, so that other work on the machine matters little. \
            tools/checks/check_tokenizer.py makes the files and judges what is printed.
            """)

    @Option(help: "A folder with tokenizer.json, or a GGUF file.") var model: String
    @Option(help: "The folder with NAME.reference for each file of documents.") var references: String
    @Argument(help: "Files of documents.") var documents: [String]

    /// So many documents are reported with our ids; more are counted.
    private static let mostReported = 3

    func run() throws {
        let isFile =
            !(try URL(filePath: model).resourceValues(forKeys: [.isDirectoryKey]).isDirectory ?? false)
        let tokenizer = try isFile ? Tokenizer(ggufFile: model) : Tokenizer(folder: model)
        for path in documents {
            let name = URL(filePath: path).deletingPathExtension().lastPathComponent
            let comparison = try compare(
                tokenizer, RecordReader(path), RecordReader("\(references)/\(name).reference"), name)
            print(comparison.serialized())
        }
    }

    private func compare(
        _ tokenizer: Tokenizer, _ documents: RecordReader, _ reference: RecordReader, _ name: String
    ) throws -> JSONValue {
        var (documents, reference) = (documents, reference)
        var reported: [JSONValue] = []
        var (index, byteCount, differing, seconds) = (0, 0, 0, 0.0)
        while !documents.isAtEnd {
            let document = try documents.bytes(count: Int(documents.number()))
            let start = Measurement.threadSeconds()
            let ids = tokenizer.encode(bytes: document, addSpecialTokens: false)
            seconds += Measurement.threadSeconds() - start
            byteCount += document.count

            let (count, idSum, textSum) = try (reference.number(), reference.number(), reference.number())
            let idsDiffer = Int(count) != ids.count || idSum != CRC32.of(ids)
            let isDecoded = textSum != 0
            let decoded = isDecoded ? tokenizer.decode(ids, skipSpecialTokens: false) : ""
            let streamed = isDecoded ? Self.streamed(ids, tokenizer) : ""
            if idsDiffer || isDecoded && textSum != CRC32.of(decoded)
                || !streamed.utf8.elementsEqual(decoded.utf8)
            {
                differing += 1
                if reported.count < Self.mostReported {
                    reported.append(
                        .object(
                            JSONObject([
                                ("document", .integer(index)),
                                ("ids", .array(ids.map { .integer(Int($0)) })),
                                ("decoded", .string(decoded)), ("streamed", .string(streamed)),
                            ])))
                }
            }
            index += 1
        }
        return .object(
            JSONObject([
                ("name", .string(name)), ("documents", .integer(index)), ("bytes", .integer(byteCount)),
                ("seconds", .number(seconds)), ("differing", .integer(differing)),
                ("reported", .array(reported)), ("usesPatterns", .bool(tokenizer.usesPatterns)),
            ]))
    }

    private static func streamed(_ ids: [Int32], _ tokenizer: Tokenizer) -> String {
        var stream = StreamingDecoder(tokenizer, skipSpecialTokens: false)
        var text = ""
        for id in ids { text += stream.append(id) }
        return text + stream.finish()
    }
}

/// Reads a file of 32-bit little-endian numbers and runs of bytes, front to back.
private struct RecordReader {
    private let file: MappedFile
    private var position = 0

    init(_ path: String) throws { file = try MappedFile(path: path) }

    var isAtEnd: Bool { position == file.bytes.count }

    mutating func bytes(count: Int) throws -> [UInt8] {
        guard count <= file.bytes.count - position else {
            throw InputError(
                file.path, expected: "\(count) more bytes", found: "\(file.bytes.count - position)")
        }
        defer { position += count }
        return Array(file.bytes[position..<(position + count)])
    }

    mutating func number() throws -> UInt32 {
        let bytes = try bytes(count: 4)
        return bytes.reversed().reduce(0) { $0 << 8 | UInt32($1) }
    }
}

/// The checksum of zlib and of Python's `zlib.crc32`.
private enum CRC32 {
    private static let table: [UInt32] = (0..<256).map { byte in
        (0..<8).reduce(UInt32(byte)) { value, _ in value & 1 == 0 ? value >> 1 : value >> 1 ^ 0xEDB8_8320 }
    }

    static func of(_ bytes: some Sequence<UInt8>) -> UInt32 {
        ~bytes.reduce(~0) { table[Int(UInt8(truncatingIfNeeded: $0) ^ $1)] ^ $0 >> 8 }
    }

    static func of(_ ids: [Int32]) -> UInt32 { ids.withUnsafeBytes { of($0) } }

    static func of(_ text: String) -> UInt32 { of(text.utf8) }
}
