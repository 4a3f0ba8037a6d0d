// Builds a tokenizer from the metadata of a GGUF file.

package import Checkpoints
public import FileSupport

/// The `tokenizer.*` values of a GGUF file, as far as a tokenizer needs them.
package struct GGUFTokenizerMetadata: Sendable {
    /// The file, for errors.
    package var location: String
    /// `general.architecture`
    package var architecture: String?
    /// `tokenizer.ggml.model`: "gpt2" for byte-level BPE, "llama" for BPE in SentencePiece's manner, "t5" for Unigram.
    package var model: String?
    /// `tokenizer.ggml.pre`
    package var preTokenizer: String?
    /// `tokenizer.ggml.tokens`
    package var tokens: [String] = []
    /// `tokenizer.ggml.token_type`
    package var tokenTypes: [Int] = []
    /// `tokenizer.ggml.scores`
    package var scores: [Double] = []
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
    /// `tokenizer.ggml.remove_extra_whitespaces`
    package var removesExtraSpaces: Bool?
    /// `tokenizer.ggml.precompiled_charsmap`
    package var charsmap: [UInt8] = []
    /// `tokenizer.chat_template` as "default", `tokenizer.chat_template.NAME` as NAME.
    package var chatTemplates: [String: String] = [:]

    package init(location: String) { self.location = location }
}

extension GGUFTokenizerMetadata {
    /// Reads the values from a file's metadata.
    package init(_ metadata: GGUFMetadata) throws(InputError) {
        self.init(location: metadata.path)
        let prefix = "tokenizer.ggml."
        if metadata["general.architecture"] != nil {
            architecture = try metadata.string("general.architecture")
        }
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
        if metadata["\(prefix)scores"] != nil { scores = try metadata.array("\(prefix)scores").doubles() }
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
        removesExtraSpaces = try flag("remove_extra_whitespaces")
        if metadata["\(prefix)precompiled_charsmap"] != nil {
            // Converters write bytes with and without a sign.
            charsmap = try metadata.array("\(prefix)precompiled_charsmap").integers()
                .map(UInt8.init(truncatingIfNeeded:))
        }
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
    /// What `token_type` says; other types are ordinary tokens.
    private enum TokenType {
        static let unknown = 2
        static let control = 3
        static let userDefined = 4
        static let byte = 6
    }

    func definition() throws(InputError) -> TokenizerDefinition {
        guard let model else { throw InputError(location, "has no tokenizer (no tokenizer.ggml.model)") }
        guard ["gpt2", "llama", "t5"].contains(model) else {
            throw InputError(
                "\(location), tokenizer.ggml.model", "the tokenizer model \"\(model)\" is not supported",
                advice: "Byte-level BPE (\"gpt2\"), SentencePiece's BPE (\"llama\") and Unigram (\"t5\") are")
        }
        try Self.check(tokenCount: tokens.count, location: location)
        guard tokenTypes.isEmpty || tokenTypes.count == tokens.count else {
            throw InputError(
                "\(location), tokenizer.ggml.token_type", expected: "one for each of \(tokens.count) tokens",
                found: "\(tokenTypes.count)")
        }
        var definition = TokenizerDefinition(location: location)
        definition.tokens = tokens.enumerated().map { TokenizerDefinition.Token(content: $1, id: $0) }
        definition.chatTemplates = chatTemplates
        for (index, line) in merges.enumerated() {
            guard let merge = TokenizerDefinition.Merge(line: line) else {
                throw InputError(
                    "\(location), tokenizer.ggml.merges[\(index)]",
                    expected: "two tokens with a space between",
                    found: "\"\(line.prefix(80))\"")
            }
            definition.merges.append(merge)
        }
        let addsBeginning =
            switch model {
            case "gpt2": try readByteLevel(into: &definition)
            case "llama": try readSentencePiece(into: &definition)
            default: try readUnigram(into: &definition)
            }
        try readSpecialTokens(into: &definition)
        if addsBeginningOfText ?? addsBeginning {
            definition.prefix = [definition.special.beginningOfText].compactMap { $0 }
        }
        if addsEndOfText ?? (model == "t5") {
            definition.suffix = [definition.special.endOfText].compactMap { $0 }
        }
        return definition
    }

    /// Returns whether texts begin with a token by default.
    private func readByteLevel(into definition: inout TokenizerDefinition) throws(InputError) -> Bool {
        let name = preTokenizer ?? "default"
        guard let parts = try GGUFPreTokenizer(named: name, location: "\(location), tokenizer.ggml.pre")
        else {
            throw InputError(
                "\(location), tokenizer.ggml.pre", "the pre-tokenizer \"\(name)\" is not supported",
                advice: "Take the tokenizer.json of the model that this file was made from")
        }
        definition.preTokenizer.steps = (addsSpacePrefix ?? false ? [.prefixSpace] : []) + parts.steps
        definition.ignoresMerges = parts.ignoresMerges
        definition.normalizer = parts.normalizer
        addTokens([TokenType.control], to: &definition)
        return parts.addsBeginningOfText
    }

    /// SentencePiece's BPE: spaces become "▁", merges go by the scores of what they make, unknown characters are spelled
    /// in byte tokens.
    private func readSentencePiece(into definition: inout TokenizerDefinition) throws(InputError) -> Bool {
        let space = "\u{2581}"
        if isGemma {
            // These files write their runs of spaces as they are, and as user-defined, unlike the model's own.
            for (id, token) in tokens.enumerated()
            where !token.isEmpty && token.utf8.allSatisfy({ $0 == UInt8(ascii: " ") }) {
                definition.tokens[id].content = String(repeating: space, count: token.utf8.count)
            }
        }
        definition.model = .bytePairs(usesByteAlphabet: false)
        if merges.isEmpty {
            if !isGemma { try checkScores() }
            // Gemma's scores do not follow the order of its merges; that of its tokens does.
            definition.mergePriorities = isGemma ? tokens.indices.map { -Double($0) } : scores
        }
        definition.fallsBackToBytes = true
        definition.fusesUnknown = true
        if let id = tokenIDs["unknown"], definition.tokens.indices.contains(id) {
            definition.unknownToken = definition.tokens[id].content
        }
        let addsSpace = addsSpacePrefix ?? true
        definition.preTokenizer = .none
        definition.normalizer.steps =
            (addsSpace ? [.prepend(space)] : [])
            + [.replace(try Replacement(.literal(" "), with: space, location: location))]
        definition.decoder.steps =
            [
                .replace(try Replacement(.literal(space), with: " ", location: location)), .byteFallback,
                .fuse,
            ] + (addsSpace ? [.strip(content: " ", start: 1, stop: 0)] : [])
        addTokens([TokenType.control, TokenType.unknown], to: &definition)
        return true
    }

    private func checkScores() throws(InputError) {
        guard scores.count == tokens.count else {
            throw InputError(
                "\(location), tokenizer.ggml.scores", expected: "one for each of \(tokens.count) tokens",
                found: "\(scores.count)")
        }
    }

    /// SentencePiece's Unigram model, with its compiled normalisation rules.
    private func readUnigram(into definition: inout TokenizerDefinition) throws(InputError) -> Bool {
        try checkScores()
        definition.model = .unigram(scores: scores)
        definition.fallsBackToBytes = tokenTypes.contains(TokenType.byte)
        if let id = tokenIDs["unknown"] ?? tokenTypes.firstIndex(of: TokenType.unknown),
            definition.tokens.indices.contains(id)
        {
            definition.unknownToken = definition.tokens[id].content
        }
        let space: Unicode.Scalar = "\u{2581}"
        if !charsmap.isEmpty {
            definition.normalizer.steps.append(
                .precompiled(
                    try PrecompiledCharsmap(
                        charsmap, location: "\(location), tokenizer.ggml.precompiled_charsmap")))
        }
        if removesExtraSpaces ?? false {
            definition.normalizer.steps += [
                .strip(left: false, right: true),
                .replace(
                    try Replacement(
                        .regularExpression(" {2,}"), with: String(space), location: location)),
            ]
        }
        let scheme: Metaspace.PrependScheme = addsSpacePrefix ?? true ? .always : .never
        definition.preTokenizer.steps = [
            .metaspace(
                Metaspace(
                    replacement: space, prependScheme: scheme,
                    split: try SplitPattern(
                        .literal(String(space)), .mergedWithNext, location: location)))
        ]
        definition.decoder.steps = [.metaspace(replacement: space, prependScheme: scheme)]
        if definition.fallsBackToBytes { definition.decoder.steps.insert(.byteFallback, at: 0) }
        addTokens([TokenType.control, TokenType.unknown], to: &definition)
        return false
    }

    private var isGemma: Bool { architecture?.hasPrefix("gemma") ?? false }

    /// Adds the tokens that are found in text before it is split: special ones, of these types, and user-defined ones.
    private func addTokens(_ specialTypes: [Int], to definition: inout TokenizerDefinition) {
        for (id, type) in tokenTypes.enumerated()
        where specialTypes.contains(type) || type == TokenType.userDefined {
            // A token with another spelling here than in the file is one of the model's own.
            guard definition.tokens[id].content.utf8.elementsEqual(tokens[id].utf8) else { continue }
            definition.addedTokens.append(
                TokenizerDefinition.AddedToken(
                    content: tokens[id], id: id, isSpecial: type != TokenType.userDefined))
        }
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
    }
}
