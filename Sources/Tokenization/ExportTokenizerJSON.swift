// Writes `tokenizer.json`, the format of the Hugging Face tokenizers library.

import FileSupport
import Foundation

extension TokenizerDefinition {
    /// The document from which `TokenizerJSON` and Hugging Face tokenizers make this tokenizer again.
    func tokenizerJSON() throws(InputError) -> JSONValue {
        .members([
            "version": .string("1.0"), "truncation": .null, "padding": .null,
            "added_tokens": .array(addedTokens.sorted { $0.id < $1.id }.map(\.json)),
            "normalizer": .sequence(normalizer.steps.map(\.json), list: "normalizers"),
            "pre_tokenizer": try preTokenizer.json(usesByteAlphabet: usesByteAlphabet, location: location),
            "post_processor": try postProcessorJSON(),
            "decoder": .sequence(decoder.steps.map(\.json), list: "decoders"),
            "model": try modelJSON(),
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

    private func modelJSON() throws(InputError) -> JSONValue {
        let sorted = tokens.sorted { $0.id < $1.id }
        if case .unigram(let scores) = model {
            return .members([
                "type": .string("Unigram"),
                "unk_id": unknownToken.flatMap { id(ofToken: $0) }.map { .integer(Int($0)) } ?? .null,
                "vocab": .array(
                    zip(sorted, scores).map { .array([.string($0.content), .number($1)]) }),
                "byte_fallback": .bool(fallsBackToBytes),
            ])
        }
        return .members([
            "type": .string("BPE"), "dropout": .null, "unk_token": unknownToken.map { .string($0) } ?? .null,
            "continuing_subword_prefix": .null, "end_of_word_suffix": .null, "fuse_unk": .bool(fusesUnknown),
            "byte_fallback": .bool(fallsBackToBytes), "ignore_merges": .bool(ignoresMerges),
            "vocab": .object(JSONObject(sorted.map { (key: $0.content, value: .integer($0.id)) })),
            // As pairs: the older "left right" cannot say a token with a space in it.
            "merges": .array(
                try listedMerges().map { .array([.string($0.left), .string($0.right)]) }),
        ])
    }

    /// The merges as the file lists them, or those that the vocabulary implies.
    private func listedMerges() throws(InputError) -> [Merge] {
        guard mergePriorities != nil else { return merges }
        let vocabulary = try Vocabulary(tokens, usesByteAlphabet: usesByteAlphabet, location: location)
        func content(_ id: Int32) -> String { String(decoding: vocabulary.bytes(of: id), as: UTF8.self) }
        return try mergeRules(vocabulary).map { Merge(left: content($0.left), right: content($0.right)) }
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

extension Normalizer.Step {
    fileprivate var json: JSONValue {
        switch self {
        case .unicode(let form): .members(["type": .string(form.rawValue)])
        case .lowercase: .members(["type": .string("Lowercase")])
        case .stripAccents: .members(["type": .string("StripAccents")])
        case .strip(let left, let right):
            .members(["type": .string("Strip"), "strip_left": .bool(left), "strip_right": .bool(right)])
        case .prepend(let text): .members(["type": .string("Prepend"), "prepend": .string(text)])
        case .replace(let replacement): replacement.json
        case .precompiled(let charsmap):
            .members([
                "type": .string("Precompiled"),
                "precompiled_charsmap": .string(Data(charsmap.source).base64EncodedString()),
            ])
        }
    }
}

extension Replacement {
    fileprivate var json: JSONValue {
        .members(["type": .string("Replace"), "pattern": pattern.json, "content": .string(content)])
    }
}

extension SplitPattern.Source {
    fileprivate var json: JSONValue {
        switch self {
        case .literal(let text): .members(["String": .string(text)])
        case .regularExpression(let pattern): .members(["Regex": .string(pattern)])
        }
    }
}

extension TokenDecoder.Step {
    fileprivate var json: JSONValue {
        switch self {
        case .byteLevel: .byteLevel(addsPrefixSpace: true, trimsOffsets: true, splitsWords: true)
        case .replace(let replacement): replacement.json
        case .byteFallback: .members(["type": .string("ByteFallback")])
        case .fuse: .members(["type": .string("Fuse")])
        case .strip(let content, let start, let stop):
            .members([
                "type": .string("Strip"), "content": .string(String(content)), "start": .integer(start),
                "stop": .integer(stop),
            ])
        case .metaspace(let replacement, let prependScheme):
            .metaspace(replacement, prependScheme, splits: true)
        }
    }
}

extension PreTokenizer {
    /// For a vocabulary in the byte alphabet it ends in `ByteLevel`, which both splits as GPT-2 does and writes the words
    /// in that alphabet.
    fileprivate func json(usesByteAlphabet: Bool, location: String) throws(InputError) -> JSONValue {
        guard usesByteAlphabet else {
            return .sequence(
                try steps.map { step throws(InputError) in try step.json(location) }, list: Self.list)
        }
        var earlier = steps
        let splitsWords = earlier.last == .gpt2Words
        if splitsWords { earlier.removeLast() }
        let addsPrefixSpace = earlier.last == .prefixSpace
        if addsPrefixSpace { earlier.removeLast() }
        let byteLevel = JSONValue.byteLevel(
            addsPrefixSpace: addsPrefixSpace, trimsOffsets: true, splitsWords: splitsWords)
        let parts = try earlier.map { step throws(InputError) in try step.json(location) }
        return .sequence(parts + [byteLevel], list: Self.list)
    }

    private static let list = "pretokenizers"
}

extension PreTokenizer.Step {
    fileprivate func json(_ location: String) throws(InputError) -> JSONValue {
        switch self {
        case .digits(let individually):
            return .members(["type": .string("Digits"), "individual_digits": .bool(individually)])
        case .gpt2Words:
            return split(by: .regularExpression(Self.gpt2Pattern))
        case .llama3Words(let longestNumber):
            return split(by: .regularExpression(Self.llama3Pattern(longestNumber: longestNumber)))
        case .split(let pattern):
            return split(by: pattern.source, pattern.behavior, isInverted: pattern.isInverted)
        case .metaspace(let metaspace):
            return .metaspace(metaspace.replacement, metaspace.prependScheme, splits: metaspace.split != nil)
        case .prefixSpace:
            // ByteLevel puts its space before every piece of the parts ahead of it, not before the text.
            throw InputError(
                location,
                "asks for a space before each text, which tokenizer.json cannot say together with this split",
                advice: "Take the tokenizer files of the model that this file was made from")
        }
    }

    private func split(
        by source: SplitPattern.Source, _ behavior: SplitPattern.Behavior = .isolated,
        isInverted: Bool = false
    ) -> JSONValue {
        .members([
            "type": .string("Split"), "pattern": source.json, "behavior": .string(behavior.rawValue),
            "invert": .bool(isInverted),
        ])
    }
}

extension JSONValue {
    /// An object, members in the order written.
    static func members(_ members: KeyValuePairs<String, JSONValue>) -> JSONValue {
        .object(JSONObject(members.map { (key: $0.key, value: $0.value) }))
    }

    /// Null for no parts, a part alone, or a `Sequence` of several.
    fileprivate static func sequence(_ parts: [JSONValue], list: String) -> JSONValue {
        if parts.count < 2 { return parts.first ?? .null }
        return .object(JSONObject([("type", .string("Sequence")), (list, .array(parts))]))
    }

    /// `Metaspace`, as a pre-tokenizer and as a decoder.
    fileprivate static func metaspace(
        _ replacement: Unicode.Scalar, _ scheme: Metaspace.PrependScheme, splits: Bool
    ) -> JSONValue {
        .members([
            "type": .string("Metaspace"), "replacement": .string(String(replacement)),
            "prepend_scheme": .string(scheme.rawValue), "split": .bool(splits),
        ])
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
