// Loads a tokenizer from a Hugging Face model folder.

public import FileSupport
import Foundation

extension Tokenizer {
    /// Loads `tokenizer.json` of a model folder.
    ///
    /// Which tokens begin and end texts and turns comes from `tokenizer_config.json`, `special_tokens_map.json`,
    /// `generation_config.json` and `config.json`, where those exist; chat templates from `chat_template.jinja` or
    /// `tokenizer_config.json`.
    ///
    /// - Throws: `InputError` that names the file and the key, for what is malformed or not supported.
    public convenience init(folder: String) throws(InputError) {
        let files = TokenizerFolder(path: folder)
        try self.init(files.definition())
    }
}

/// The files of a model folder that have to do with its tokenizer.
struct TokenizerFolder {
    let path: String

    func definition() throws(InputError) -> TokenizerDefinition {
        guard let document = try json("tokenizer.json") else {
            throw InputError(
                path, "has no tokenizer.json",
                advice:
                    "Give a model folder in Hugging Face format, or a GGUF file, which has its tokenizer inside"
            )
        }
        var definition = try TokenizerJSON(document, location: file("tokenizer.json")).definition()
        let config = try json("tokenizer_config.json") ?? .object(JSONObject())
        let map = try json("special_tokens_map.json") ?? .object(JSONObject())

        /// A special token's id: by name in either file, as a string or as an object with the string in `content`.
        func id(_ key: String) -> Int32? {
            let value = [config[key], map[key]].lazy.compactMap { $0 == .null ? nil : $0 }.first
            return (value?.stringValue ?? value?["content"]?.stringValue).flatMap {
                definition.id(ofToken: $0)
            }
        }
        definition.special.beginningOfText = id("bos_token")
        definition.special.endOfText = id("eos_token")
        definition.special.padding = id("pad_token")
        definition.special.unknown = id("unk_token")
        applyLlamaFlags(config, to: &definition)
        var ends = [definition.special.endOfText].compactMap { $0 }
        for name in ["generation_config.json", "config.json"] { ends += try endOfTextIDs(name) }
        definition.addEndOfTurnTokens(ends)
        definition.chatTemplates = try chatTemplates(config)
        return definition
    }

    private func file(_ name: String) -> String { (path as NSString).appendingPathComponent(name) }

    /// The document, or nil when there is no such file.
    private func json(_ name: String) throws(InputError) -> JSONValue? {
        guard FileManager.default.fileExists(atPath: file(name)) else { return nil }
        return try JSONParser.parse(fileAt: file(name))
    }

    /// The Llama tokenizer class of transformers ignores the template in `tokenizer.json` and makes its own.
    private func applyLlamaFlags(_ config: JSONValue, to definition: inout TokenizerDefinition) {
        guard ["LlamaTokenizer", "LlamaTokenizerFast"].contains(config["tokenizer_class"]?.stringValue)
        else { return }
        let special = definition.special
        let addsBeginning = config["add_bos_token"]?.boolValue ?? true
        let addsEnd = config["add_eos_token"]?.boolValue ?? false
        definition.prefix = addsBeginning ? [special.beginningOfText].compactMap { $0 } : []
        definition.suffix = addsEnd ? [special.endOfText].compactMap { $0 } : []
    }

    /// `eos_token_id`, one number or several.
    private func endOfTextIDs(_ name: String) throws(InputError) -> [Int32] {
        guard let value = try json(name)?["eos_token_id"], value != .null else { return [] }
        var ids: [Int32] = []
        for item in value.arrayValue ?? [value] {
            guard let id = item.integerValue, let id = Int32(exactly: id) else {
                throw InputError(
                    "\(file(name)), eos_token_id", expected: "a token id or a list of them",
                    found: item.kindName)
            }
            ids.append(id)
        }
        return ids
    }

    private func chatTemplates(_ config: JSONValue) throws(InputError) -> [String: String] {
        var templates: [String: String] = [:]
        switch config["chat_template"] {
        case .string(let template)?:
            templates["default"] = template
        case .array(let list)?:
            for item in list {
                guard let name = item["name"]?.stringValue, let template = item["template"]?.stringValue
                else {
                    throw InputError(
                        "\(file("tokenizer_config.json")), chat_template",
                        expected: "objects with name and template", found: item.kindName)
                }
                templates[name] = template
            }
        default:
            break
        }
        let separate = file("chat_template.jinja")
        if FileManager.default.fileExists(atPath: separate) {
            do {
                templates["default"] = try String(contentsOfFile: separate, encoding: .utf8)
            } catch {
                throw InputError(separate, "cannot be read as UTF-8 text: \(error.localizedDescription)")
            }
        }
        return templates
    }
}

extension TokenizerDefinition {
    /// Tokens that end a turn in the chat formats of published models.
    private static let turnEnds = [
        "<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<end_of_turn>", "<|end|>", "<|endofturn|>",
    ]

    /// Sets the tokens that may end a turn: the given ones first, then the usual ones that the model has.
    mutating func addEndOfTurnTokens(_ ids: [Int32]) {
        let usual = addedTokens.filter { Self.turnEnds.contains($0.content) }.map { Int32($0.id) }
        for id in ids + usual where !special.endOfTurn.contains(id) { special.endOfTurn.append(id) }
    }

    func id(ofToken content: String) -> Int32? {
        let id =
            addedTokens.first { $0.content.utf8.elementsEqual(content.utf8) }?.id
            ?? tokens.first { $0.content.utf8.elementsEqual(content.utf8) }?.id
        return id.flatMap { Int32(exactly: $0) }
    }
}
