// Reads `tokenizer.json`, the format of the Hugging Face tokenizers library.

import FileSupport

/// Turns the document into a definition, or says which part of it is beyond us.
///
/// `truncation` and `padding` are not read: they belong to a batch, not to a text.
struct TokenizerJSON {
    /// The file, for errors.
    let location: String
    let root: JSONObject

    init(_ document: JSONValue, location: String) throws(InputError) {
        guard let root = document.objectValue else {
            throw InputError(location, expected: "an object", found: document.kindName)
        }
        self.location = location
        self.root = root
    }

    func definition() throws(InputError) -> TokenizerDefinition {
        var definition = TokenizerDefinition(location: location)
        let usesByteAlphabet = try readPreTokenizer(into: &definition)
        try readModel(into: &definition, usesByteAlphabet: usesByteAlphabet)
        definition.normalizer = try normalizer()
        definition.addedTokens = try addedTokens(normalizer: definition.normalizer)
        definition.decoder = try decoder(usesByteAlphabet: usesByteAlphabet)
        try readPostProcessor(into: &definition)
        return definition
    }

    // MARK: Access with errors

    func fail(_ path: String, expected: String, found value: JSONValue?) -> InputError {
        let found =
            switch value {
            case .string(let text)?: "\"\(text.prefix(80))\""
            case let value?: value.kindName
            case nil: "nothing"
            }
        return InputError("\(location), \(path)", expected: expected, found: found)
    }

    func unsupported(_ path: String, _ feature: String) -> InputError {
        InputError(
            "\(location), \(path)", "\(feature) is not supported",
            advice: "BPE and Unigram tokenizers are, with the parts that published language models use")
    }

    /// The member, with null taken for absent.
    func member(_ key: String, of object: JSONObject) -> JSONValue? {
        let value = object[key]
        return value == .null ? nil : value
    }

    func flag(_ key: String, of object: JSONObject, at path: String, default fallback: Bool)
        throws(InputError) -> Bool
    {
        guard let value = member(key, of: object) else { return fallback }
        guard let flag = value.boolValue else {
            throw fail("\(path).\(key)", expected: "true or false", found: value)
        }
        return flag
    }

    func kind(of object: JSONObject, at path: String) throws(InputError) -> String {
        guard let kind = object["type"]?.stringValue else {
            throw fail("\(path).type", expected: "a string", found: object["type"])
        }
        return kind
    }

    typealias Part = (path: String, kind: String, object: JSONObject)

    /// Sequences inside sequences are followed so deep.
    private static let deepestSequence = 8

    /// The parts of a `Sequence`, or the one part that stands alone; none for null.
    func parts(_ key: String, list: String) throws(InputError) -> [Part] {
        var parts: [Part] = []
        if let value = member(key, of: root) {
            try appendParts(of: value, at: key, list: list, depth: 0, to: &parts)
        }
        return parts
    }

    private func appendParts(
        of value: JSONValue, at path: String, list: String, depth: Int, to parts: inout [Part]
    ) throws(InputError) {
        guard let object = value.objectValue else { throw fail(path, expected: "an object", found: value) }
        let kind = try kind(of: object, at: path)
        guard kind == "Sequence" else { return parts.append((path, kind, object)) }
        guard depth < Self.deepestSequence else { throw unsupported(path, "so deep a sequence") }
        guard let values = object[list]?.arrayValue else {
            throw fail("\(path).\(list)", expected: "a list", found: object[list])
        }
        for (index, value) in values.enumerated() {
            try appendParts(
                of: value, at: "\(path).\(list)[\(index)]", list: list, depth: depth + 1, to: &parts)
        }
    }

    func tokenID(_ value: JSONValue?, at path: String) throws(InputError) -> Int {
        guard let id = value?.integerValue, (0..<Vocabulary.maximumSize).contains(id) else {
            throw fail(
                path, expected: "a token id from 0 to \(Vocabulary.maximumSize - 1)", found: value)
        }
        return id
    }
}

// MARK: - The model and the added tokens

extension TokenizerJSON {
    private func readModel(into definition: inout TokenizerDefinition, usesByteAlphabet: Bool)
        throws(InputError)
    {
        guard let model = root["model"]?.objectValue else {
            throw fail("model", expected: "an object", found: root["model"])
        }
        definition.fallsBackToBytes = try flag("byte_fallback", of: model, at: "model", default: false)
        switch member("type", of: model)?.stringValue ?? (model["scores"] == nil ? "BPE" : "") {
        case "BPE":
            definition.model = .bytePairs(usesByteAlphabet: usesByteAlphabet)
            try readBytePairs(model, into: &definition)
        case "Unigram" where !usesByteAlphabet:
            try readUnigram(model, into: &definition)
        case let kind:
            throw unsupported("model.type", "the model \(kind)\(usesByteAlphabet ? " with ByteLevel" : "")")
        }
    }

    private func readBytePairs(_ model: JSONObject, into definition: inout TokenizerDefinition)
        throws(InputError)
    {
        for key in ["continuing_subword_prefix", "end_of_word_suffix"] {
            if let value = member(key, of: model), value.stringValue != "" {
                throw unsupported("model.\(key)", "\(key)")
            }
        }
        if let dropout = member("dropout", of: model), dropout.doubleValue != 0 {
            throw unsupported("model.dropout", "dropout of merges")
        }
        definition.ignoresMerges = try flag("ignore_merges", of: model, at: "model", default: false)
        definition.fusesUnknown = try flag("fuse_unk", of: model, at: "model", default: false)
        if let unknown = member("unk_token", of: model) {
            guard let token = unknown.stringValue else {
                throw fail("model.unk_token", expected: "a string", found: unknown)
            }
            definition.unknownToken = token
        }
        guard let vocabulary = model["vocab"]?.objectValue else {
            throw fail("model.vocab", expected: "an object", found: model["vocab"])
        }
        definition.tokens.reserveCapacity(vocabulary.count)
        for (content, value) in vocabulary.members {
            let id = try tokenID(value, at: "model.vocab.\"\(content)\"")
            definition.tokens.append(TokenizerDefinition.Token(content: content, id: id))
        }
        guard let merges = model["merges"]?.arrayValue else {
            throw fail("model.merges", expected: "a list", found: model["merges"])
        }
        definition.merges.reserveCapacity(merges.count)
        for (index, value) in merges.enumerated() {
            if let merge = try merge(value, at: "model.merges[\(index)]") { definition.merges.append(merge) }
        }
    }

    private func readUnigram(_ model: JSONObject, into definition: inout TokenizerDefinition)
        throws(InputError)
    {
        guard let vocabulary = model["vocab"]?.arrayValue else {
            throw fail("model.vocab", expected: "a list", found: model["vocab"])
        }
        guard vocabulary.count <= Vocabulary.maximumSize else {
            throw InputError(
                "\(location), model.vocab", expected: "at most \(Vocabulary.maximumSize) tokens",
                found: "\(vocabulary.count)")
        }
        var scores: [Double] = []
        for (id, value) in vocabulary.enumerated() {
            guard let pair = value.arrayValue, pair.count == 2, let content = pair[0].stringValue,
                let score = pair[1].doubleValue
            else { throw fail("model.vocab[\(id)]", expected: "a token and its score", found: value) }
            definition.tokens.append(TokenizerDefinition.Token(content: content, id: id))
            scores.append(score)
        }
        definition.model = .unigram(scores: scores)
        if let unknown = member("unk_id", of: model) {
            let id = try tokenID(unknown, at: "model.unk_id")
            guard definition.tokens.indices.contains(id) else {
                throw fail("model.unk_id", expected: "the id of a token", found: unknown)
            }
            definition.unknownToken = definition.tokens[id].content
        }
    }

    /// A merge as "a b" or ["a", "b"]; nil for the version line that older files carry along.
    private func merge(_ value: JSONValue, at path: String) throws(InputError) -> TokenizerDefinition.Merge? {
        if let line = value.stringValue {
            if line.utf8.starts(with: "#version".utf8) { return nil }
            if let merge = TokenizerDefinition.Merge(line: line) { return merge }
        } else if let pair = value.arrayValue, pair.count == 2, let left = pair[0].stringValue,
            let right = pair[1].stringValue
        {
            return TokenizerDefinition.Merge(left: left, right: right)
        }
        throw fail(path, expected: "two tokens, as \"a b\" or [\"a\", \"b\"]", found: value)
    }

    /// Those that are looked for in normalised text are themselves normalised.
    private func addedTokens(normalizer: Normalizer) throws(InputError)
        -> [TokenizerDefinition.AddedToken]
    {
        guard let value = member("added_tokens", of: root) else { return [] }
        guard let list = value.arrayValue else {
            throw fail("added_tokens", expected: "a list", found: value)
        }
        var tokens: [TokenizerDefinition.AddedToken] = []
        for (index, value) in list.enumerated() {
            let path = "added_tokens[\(index)]"
            guard let object = value.objectValue else {
                throw fail(path, expected: "an object", found: value)
            }
            guard let content = object["content"]?.stringValue else {
                throw fail("\(path).content", expected: "a string", found: object["content"])
            }
            let isSpecial = try flag("special", of: object, at: path, default: false)
            let isNormalized = try flag("normalized", of: object, at: path, default: !isSpecial)
            tokens.append(
                TokenizerDefinition.AddedToken(
                    content: content, id: try tokenID(object["id"], at: "\(path).id"),
                    pattern: isNormalized ? normalizer.normalized(content) : nil,
                    isSpecial: isSpecial,
                    stripsLeft: try flag("lstrip", of: object, at: path, default: false),
                    stripsRight: try flag("rstrip", of: object, at: path, default: false),
                    isSingleWord: try flag("single_word", of: object, at: path, default: false),
                    isNormalized: isNormalized))
        }
        return tokens
    }
}

extension TokenizerDefinition.Merge {
    /// A merge as "a b": exactly one space, between the two.
    init?(line: String) {
        let parts = line.utf8.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
        guard parts.count == 2 else { return nil }
        self.init(left: String(Substring(parts[0])), right: String(Substring(parts[1])))
    }
}
