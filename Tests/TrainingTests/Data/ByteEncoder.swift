// A tokenizer for tests: a token for every byte, and a few special ones. What is trained can be read as text.

import ChatTemplates
import FileSupport
import Tokenization

@testable import Training

struct ByteEncoder: TextEncoder {
    static let specials = ["<|im_start|>", "<|im_end|>", "<s>", "</s>"]
    static let endOfTurn: Int32 = 257
    static let beginning: Int32 = 258
    static let end: Int32 = 259

    var prefix: [Int32] = []
    var specialTokens: SpecialTokens

    init(beginsTexts: Bool = false) {
        specialTokens = SpecialTokens()
        specialTokens.beginningOfText = Self.beginning
        specialTokens.endOfText = Self.end
        specialTokens.endOfTurn = [Self.endOfTurn, Self.end]
        if beginsTexts { prefix = [Self.beginning] }
    }

    func encode(_ text: String, addSpecialTokens: Bool) -> [Int32] {
        var tokens = addSpecialTokens ? prefix : []
        var rest = Array(text.utf8)[...]
        while let byte = rest.first {
            if let special = Self.specials.firstIndex(where: { rest.starts(with: $0.utf8) }) {
                tokens.append(Int32(256 + special))
                rest = rest.dropFirst(Self.specials[special].utf8.count)
            } else {
                tokens.append(Int32(byte))
                rest = rest.dropFirst()
            }
        }
        return tokens
    }

    func encode(parts: [String]) -> [[Int32]] { parts.map { encode($0, addSpecialTokens: false) } }

    func bytes(of id: Int32) -> [UInt8]? {
        id < 256 ? [UInt8(id)] : Array(Self.specials[Int(id) - 256].utf8)
    }

    func isSpecial(_ id: Int32) -> Bool { id >= 256 }

    /// The text of tokens, the trained ones in brackets.
    func marked(_ example: TokenizedExample) -> String {
        var bytes: [UInt8] = []
        var inside = false
        for (token, isLabelled) in zip(example.tokens, example.isLabelled) {
            if isLabelled != inside { bytes.append(UInt8(ascii: inside ? "]" : "[")) }
            inside = isLabelled
            bytes += self.bytes(of: token) ?? []
        }
        if inside { bytes.append(UInt8(ascii: "]")) }
        return String(decoding: bytes, as: UTF8.self)
    }
}

enum Templates {
    static let chatML = """
        {% for message in messages %}{{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}\
        {% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}
        """

    static func template(_ source: String) throws -> ChatTemplate {
        try ChatTemplate(source: source, location: "chat_template.jinja")
    }
}

/// What of a record is trained, in brackets; the record stands in line 5 of its file.
func trained(
    _ line: String, template: String, tokenizer: ByteEncoder = ByteEncoder(beginsTexts: true)
) throws -> String {
    let fields = try JSONParser.parse(line, location: "data").objectValue ?? JSONObject()
    let record = DatasetRecord(fields: fields, location: "train.jsonl line 5")
    let example = try Example(record, format: Example.format(of: record))
    let encoder = ExampleEncoder(tokenizer: tokenizer, template: try Templates.template(template))
    return tokenizer.marked(try encoder.encode(example))
}

/// The error that `body` throws, as a user sees it.
func problem(_ body: () throws -> Void) -> String {
    do {
        try body()
        return "no error"
    } catch let error as InputError {
        return error.description
    } catch {
        return "another error: \(error)"
    }
}
