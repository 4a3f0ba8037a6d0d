// Writes `tokenizer.json`, the format of the Hugging Face tokenizers library.

import FileSupport

extension TokenizerDefinition {
    /// The document from which `TokenizerJSON` and Hugging Face tokenizers make this tokenizer again.
    func tokenizerJSON() throws(InputError) -> JSONValue {
        .members([
            "version": .string("1.0"), "truncation": .null, "padding": .null,
            "added_tokens": .array(addedTokens.sorted { $0.id < $1.id }.map(\.json)),
            "normalizer": normalizer.json,
            "pre_tokenizer": try preTokenizer.json(location: location),
            "post_processor": try postProcessorJSON(),
            "decoder": .byteLevel(addsPrefixSpace: true, trimsOffsets: true, splitsWords: true),
            "model": modelJSON(),
        ])
    }

    /// A token as the file writes it.
    func content(ofToken id: Int32) throws(InputError) -> String {
        guard
            let content = addedTokens.first(where: { $0.id == Int(id) })?.content
                ?? tokens.first(where: { $0.id == Int(id) })?.content
        else {
            throw InputError(
                location, "the token id \(id) has a part to play, but no token has it",
                advice: "The tokenizer and the model's configuration do not belong together")
        }
        return content
    }

    private func modelJSON() -> JSONValue {
        let vocabulary = tokens.sorted { $0.id < $1.id }
            .map { (key: $0.content, value: JSONValue.integer($0.id)) }
        return .members([
            "type": .string("BPE"), "dropout": .null, "unk_token": unknownToken.map { .string($0) } ?? .null,
            "continuing_subword_prefix": .null, "end_of_word_suffix": .null, "fuse_unk": .bool(fusesUnknown),
            "byte_fallback": .bool(false), "ignore_merges": .bool(ignoresMerges),
            "vocab": .object(JSONObject(vocabulary)),
            // As pairs: the older "left right" cannot say a token with a space in it.
            "merges": .array(merges.map { .array([.string($0.left), .string($0.right)]) }),
        ])
    }

    /// Never null: transformers puts a template of its own where there is none.
    private func postProcessorJSON() throws(InputError) -> JSONValue {
        let offsets = JSONValue.byteLevel(addsPrefixSpace: true, trimsOffsets: false, splitsWords: true)
        guard !(prefix.isEmpty && suffix.isEmpty) else { return offsets }
        var specialTokens = JSONObject()
        for id in prefix + suffix {
            let content = try content(ofToken: id)
            specialTokens[content] = .members([
                "id": .string(content), "ids": .array([.integer(Int(id))]),
                "tokens": .array([.string(content)]),
            ])
        }
        /// Text number `type` of a single or a pair, with the tokens around it.
        func pieces(_ text: String, type: Int) throws(InputError) -> [JSONValue] {
            func piece(_ kind: String, _ id: String) -> JSONValue {
                .members([kind: .members(["id": .string(id), "type_id": .integer(type)])])
            }
            var pieces: [JSONValue] = []
            for id in prefix { pieces.append(piece("SpecialToken", try content(ofToken: id))) }
            pieces.append(piece("Sequence", text))
            for id in suffix { pieces.append(piece("SpecialToken", try content(ofToken: id))) }
            return pieces
        }
        let single = try pieces("A", type: 0)
        let template = JSONValue.members([
            "type": .string("TemplateProcessing"), "single": .array(single),
            "pair": .array(single + (try pieces("B", type: 1))),
            "special_tokens": .object(specialTokens),
        ])
        return .members(["type": .string("Sequence"), "processors": .array([offsets, template])])
    }
}

extension TokenizerDefinition.AddedToken {
    fileprivate var json: JSONValue {
        .members([
            "id": .integer(id), "content": .string(content), "single_word": .bool(isSingleWord),
            "lstrip": .bool(stripsLeft), "rstrip": .bool(stripsRight), "normalized": .bool(isNormalized),
            "special": .bool(isSpecial),
        ])
    }
}

extension TokenizerDefinition.Normalizer {
    fileprivate var json: JSONValue {
        switch self {
        case .none: .null
        case .nfc: .members(["type": .string("NFC")])
        }
    }
}

extension PreTokenizer {
    /// Ends in `ByteLevel`, which both splits as GPT-2 does and writes the words in the byte alphabet.
    fileprivate func json(location: String) throws(InputError) -> JSONValue {
        let splitsWords = steps.last == .gpt2Words
        let earlierSteps = splitsWords ? steps.dropLast() : steps[...]
        // ByteLevel puts its space before every piece of the parts ahead of it, not before the text.
        guard earlierSteps.isEmpty || !addsPrefixSpace else {
            throw InputError(
                location,
                "asks for a space before each text, which tokenizer.json cannot say together with this split",
                advice: "Take the tokenizer files of the model that this file was made from")
        }
        let byteLevel = JSONValue.byteLevel(
            addsPrefixSpace: addsPrefixSpace, trimsOffsets: true, splitsWords: splitsWords)
        guard !earlierSteps.isEmpty else { return byteLevel }
        return .members([
            "type": .string("Sequence"), "pretokenizers": .array(earlierSteps.map(\.json) + [byteLevel]),
        ])
    }
}

extension PreTokenizer.Step {
    fileprivate var json: JSONValue {
        switch self {
        case .digits(let individually):
            .members(["type": .string("Digits"), "individual_digits": .bool(individually)])
        case .gpt2Words:
            split(by: Self.gpt2Pattern)
        case .llama3Words(let longestNumber):
            split(by: Self.llama3Pattern(longestNumber: longestNumber))
        }
    }

    private func split(by pattern: String) -> JSONValue {
        .members([
            "type": .string("Split"), "pattern": .members(["Regex": .string(pattern)]),
            "behavior": .string("Isolated"), "invert": .bool(false),
        ])
    }
}

extension JSONValue {
    /// An object, members in the order written.
    static func members(_ members: KeyValuePairs<String, JSONValue>) -> JSONValue {
        .object(JSONObject(members.map { (key: $0.key, value: $0.value) }))
    }

    /// `ByteLevel`, which has the same members as a pre-tokenizer, a post-processor and a decoder.
    fileprivate static func byteLevel(addsPrefixSpace: Bool, trimsOffsets: Bool, splitsWords: Bool)
        -> JSONValue
    {
        .members([
            "type": .string("ByteLevel"), "add_prefix_space": .bool(addsPrefixSpace),
            "trim_offsets": .bool(trimsOffsets), "use_regex": .bool(splitsWords),
        ])
    }
}
