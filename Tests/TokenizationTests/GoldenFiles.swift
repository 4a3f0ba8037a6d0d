// Finds the goldens and the files inside them.

import FileSupport
import Foundation

@testable import Tokenization

enum GoldenFiles {
    static let folder = URL(filePath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().appending(path: "Goldens/tokenizers").path

    static let names = [
        "added-tokens", "digit-runs", "gemma", "gpt2", "llama-charsmap", "llama2", "llama3", "metaspace",
        "missing-bytes", "mistral", "no-split", "o200k", "prefix-space", "qwen2-nfc", "smollm", "unigram",
        "unigram-charsmap", "unknown", "unknown-fused", "words",
    ]

    static func tokenizer(_ name: String) throws -> Tokenizer { try Tokenizer(folder: "\(folder)/\(name)") }

    /// The bytes of a golden `tokenizer.json`.
    static func document(_ name: String) throws -> [UInt8] {
        Array(try Data(contentsOf: URL(filePath: "\(folder)/\(name)/tokenizer.json")))
    }

    static func expected(_ name: String) throws -> JSONValue {
        try JSONParser.parse(fileAt: "\(folder)/\(name)/expected.json")
    }
}

extension JSONValue {
    /// The ids of a list of numbers.
    var ids: [Int32]? { arrayValue?.compactMap { $0.integerValue.flatMap { Int32(exactly: $0) } } }
}

/// A tokenizer from the text of a `tokenizer.json`.
func makeTokenizer(json: [UInt8]) throws(InputError) -> Tokenizer {
    let document = try JSONParser.parse(json, location: "tokenizer.json")
    return try Tokenizer(TokenizerJSON(document, location: "tokenizer.json").definition())
}
