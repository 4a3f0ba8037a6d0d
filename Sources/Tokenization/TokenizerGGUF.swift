// Builds a tokenizer from the metadata of a GGUF file.

package import FileSupport

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

extension Tokenizer {
    /// Builds the tokenizer that a GGUF file describes.
    ///
    /// GGUF does not keep how added tokens treat the space around them, nor normalisers: they have none here.
    ///
    /// - Throws: `InputError` that names the key, for what is malformed or not supported.
    package convenience init(gguf metadata: GGUFTokenizerMetadata) throws(InputError) {
        try self.init(metadata.definition())
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
        guard !tokens.isEmpty, tokens.count <= Vocabulary.maximumSize else {
            throw InputError(
                "\(location), tokenizer.ggml.tokens", expected: "1 to \(Vocabulary.maximumSize) tokens",
                found: "\(tokens.count)")
        }
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
        // The converters drop this flag of `tokenizer.json`; it is known to belong to Llama 3.
        definition.ignoresMerges = preTokenizer == .llama3
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
