// Builds a tokenizer from the metadata of a GGUF file.

package import Checkpoints
public import FileSupport

/// The `tokenizer.*` values of a GGUF file, as far as a byte-level tokenizer needs them.
package struct GGUFTokenizerMetadata: Sendable {
    /// The file, for errors.
    package var location: String
    /// `tokenizer.ggml.model`: "gpt2" for byte-level BPE.
    package var model: String?
    /// `tokenizer.ggml.pre`
    package var preTokenizer: String?
    /// `tokenizer.ggml.tokens`
    package var tokens: [String] = []
    /// `tokenizer.ggml.token_type`
    package var tokenTypes: [Int] = []
    /// `tokenizer.ggml.merges`
    package var merges: [String] = []
    /// `tokenizer.ggml.{bos,eos,eot,eom,unknown,padding}_token_id`, by the word before `_token_id`.
    package var tokenIDs: [String: Int] = [:]
    /// `tokenizer.ggml.add_bos_token`
    package var addsBeginningOfText: Bool?
    /// `tokenizer.ggml.add_eos_token`
    package var addsEndOfText: Bool?
    /// `tokenizer.ggml.add_space_prefix`
    package var addsSpacePrefix: Bool?
    /// `tokenizer.chat_template` as "default", `tokenizer.chat_template.NAME` as NAME.
    package var chatTemplates: [String: String] = [:]

    package init(location: String) { self.location = location }
}

extension GGUFTokenizerMetadata {
    /// Reads the values from a file's metadata.
    package init(_ metadata: GGUFMetadata) throws(InputError) {
        self.init(location: metadata.path)
        let prefix = "tokenizer.ggml."
        if metadata["\(prefix)model"] != nil { model = try metadata.string("\(prefix)model") }
        if metadata["\(prefix)pre"] != nil { preTokenizer = try metadata.string("\(prefix)pre") }
        if metadata["\(prefix)tokens"] != nil {
            let list = try metadata.array("\(prefix)tokens")
            try Self.check(tokenCount: list.count, location: location)
            tokens = try list.strings()
        }
        if metadata["\(prefix)token_type"] != nil {
            tokenTypes = try metadata.array("\(prefix)token_type").integers()
        }
        if metadata["\(prefix)merges"] != nil { merges = try metadata.array("\(prefix)merges").strings() }
        for name in ["bos", "eos", "eot", "eom", "unknown", "padding"] {
            let key = "\(prefix)\(name)_token_id"
            if metadata[key] != nil { tokenIDs[name] = try metadata.integer(key) }
        }
        func flag(_ name: String) throws(InputError) -> Bool? {
            metadata[prefix + name] == nil ? nil : try metadata.bool(prefix + name)
        }
        addsBeginningOfText = try flag("add_bos_token")
        addsEndOfText = try flag("add_eos_token")
        addsSpacePrefix = try flag("add_space_prefix")
        let templateKey = "tokenizer.chat_template"
        for key in metadata.keys where key == templateKey || key.hasPrefix("\(templateKey).") {
            let name = key == templateKey ? "default" : String(key.dropFirst(templateKey.count + 1))
            chatTemplates[name] = try metadata.string(key)
        }
    }

    fileprivate static func check(tokenCount: Int, location: String) throws(InputError) {
        guard (1...Vocabulary.maximumSize).contains(tokenCount) else {
            throw InputError(
                "\(location), tokenizer.ggml.tokens", expected: "1 to \(Vocabulary.maximumSize) tokens",
                found: "\(tokenCount)")
        }
    }
}

extension Tokenizer {
    /// Loads the tokenizer inside a GGUF file.
    ///
    /// GGUF does not keep how added tokens treat the space around them: they leave it alone here.
    ///
    /// - Throws: `InputError` that names the file and the key, for what is malformed or not supported.
    public convenience init(ggufFile path: String) throws(InputError) {
        try self.init(gguf: GGUFFile(path: path).metadata)
    }

    /// The tokenizer of a GGUF file that is open already.
    package convenience init(gguf metadata: GGUFMetadata) throws(InputError) {
        try self.init(GGUFTokenizerMetadata(metadata).definition())
    }
}

extension GGUFTokenizerMetadata {
    /// What `token_type` says; types other than these two are ordinary tokens.
    private enum TokenType {
        static let control = 3
        static let userDefined = 4
    }

    func definition() throws(InputError) -> TokenizerDefinition {
        guard let model else { throw InputError(location, "has no tokenizer (no tokenizer.ggml.model)") }
        guard model == "gpt2" else {
            throw InputError(
                "\(location), tokenizer.ggml.model", "the tokenizer model \"\(model)\" is not supported",
                advice: "Byte-level BPE (\"gpt2\") is")
        }
        try Self.check(tokenCount: tokens.count, location: location)
        guard tokenTypes.isEmpty || tokenTypes.count == tokens.count else {
            throw InputError(
                "\(location), tokenizer.ggml.token_type", expected: "one for each of \(tokens.count) tokens",
                found: "\(tokenTypes.count)")
        }
        let name = preTokenizer ?? "default"
        guard let preTokenizer = PreTokenizer.named(name) else {
            throw InputError(
                "\(location), tokenizer.ggml.pre", "the pre-tokenizer \"\(name)\" is not supported",
                advice: "gpt-2, smollm, llama-bpe and qwen2 are, and those that split as they do")
        }
        var definition = TokenizerDefinition(location: location)
        definition.preTokenizer = preTokenizer
        definition.preTokenizer.addsPrefixSpace = addsSpacePrefix ?? false
        // The converters drop these parts of `tokenizer.json`; they are known to belong to Llama 3 and to Qwen 2. The
        // Qwen distillations of DeepSeek, which split as Qwen 2 does, do not normalise.
        definition.ignoresMerges = preTokenizer == .llama3
        definition.normalizer = name == "qwen2" ? .nfc : .none
        definition.tokens = tokens.enumerated().map { TokenizerDefinition.Token(content: $1, id: $0) }
        for (id, type) in tokenTypes.enumerated()
        where type == TokenType.control || type == TokenType.userDefined {
            definition.addedTokens.append(
                TokenizerDefinition.AddedToken(
                    content: tokens[id], id: id, isSpecial: type == TokenType.control))
        }
        definition.merges.reserveCapacity(merges.count)
        for (index, line) in merges.enumerated() {
            guard let merge = TokenizerDefinition.Merge(line: line) else {
                throw InputError(
                    "\(location), tokenizer.ggml.merges[\(index)]",
                    expected: "two tokens with a space between",
                    found: "\"\(line.prefix(80))\"")
            }
            definition.merges.append(merge)
        }
        try readSpecialTokens(into: &definition)
        definition.chatTemplates = chatTemplates
        return definition
    }

    private func readSpecialTokens(into definition: inout TokenizerDefinition) throws(InputError) {
        func id(_ name: String) throws(InputError) -> Int32? {
            // Converters write -1, as a signed or an unsigned number, for "none".
            guard let id = tokenIDs[name], id != -1, id != Int(UInt32.max) else { return nil }
            guard tokens.indices.contains(id) else {
                throw InputError(
                    "\(location), tokenizer.ggml.\(name)_token_id",
                    expected: "a token id from 0 to \(tokens.count - 1)", found: "\(id)")
            }
            return Int32(id)
        }
        definition.special.beginningOfText = try id("bos")
        definition.special.endOfText = try id("eos")
        definition.special.padding = try id("padding")
        definition.special.unknown = try id("unknown")
        definition.addEndOfTurnTokens([try id("eos"), try id("eot"), try id("eom")].compactMap { $0 })
        if addsBeginningOfText ?? (definition.preTokenizer == .llama3) {
            definition.prefix = [definition.special.beginningOfText].compactMap { $0 }
        }
        if addsEndOfText ?? false {
            definition.suffix = [definition.special.endOfText].compactMap { $0 }
        }
    }
}
