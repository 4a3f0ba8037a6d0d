// Writes the tokenizer files of a Hugging Face model folder, for a model whose tokenizer came inside a GGUF file.

package import FileSupport

extension GGUFTokenizerMetadata {
    /// Writes `tokenizer.json`, `tokenizer_config.json` and `special_tokens_map.json` into a folder that exists.
    ///
    /// transformers and `Tokenizer(folder:)` make the same ids from them as `Tokenizer(ggufFile:)` makes. Tokens that
    /// end a turn besides the end of text have no place in these files: they belong into `eos_token_id` of the model's
    /// `generation_config.json`.
    ///
    /// - Parameter modelMaximumLength: the most tokens that the model takes, or nil where that is not known.
    /// - Throws: `InputError` for a tokenizer that does not load or that the format cannot express, before anything is
    ///   written, and for files that cannot be written.
    package func writeHuggingFaceFiles(to folder: String, modelMaximumLength: Int?) throws(InputError) {
        try definition().writeHuggingFaceFiles(to: folder, modelMaximumLength: modelMaximumLength)
    }
}

extension TokenizerDefinition {
    func writeHuggingFaceFiles(to folder: String, modelMaximumLength: Int?) throws(InputError) {
        // Building the tables finds what makes the tokenizer useless to everyone who would read the files.
        _ = try Tokenizer(self)
        let document = try tokenizerJSON()
        let named = try namedSpecialTokens()
        let config = configuration(named, modelMaximumLength: modelMaximumLength)
        try AtomicFile.write(
            to: "\(folder)/tokenizer_config.json", text: config.serialized(pretty: true) + "\n")
        try AtomicFile.write(
            to: "\(folder)/special_tokens_map.json",
            text: JSONValue.object(named).serialized(pretty: true) + "\n")
        // Last, because a folder is taken to have a tokenizer when it has this file.
        try AtomicFile.write(to: "\(folder)/tokenizer.json", text: document.serialized() + "\n")
    }

    /// The special tokens that transformers knows by name.
    private func namedSpecialTokens() throws(InputError) -> JSONObject {
        var named = JSONObject()
        for (name, id) in [
            ("bos_token", special.beginningOfText), ("eos_token", special.endOfText),
            ("pad_token", special.padding), ("unk_token", special.unknown),
        ] {
            if let id { named[name] = .string(try content(ofToken: id)) }
        }
        return named
    }

    /// `tokenizer_config.json`, without `add_bos_token` and `add_eos_token`: with either, transformers makes its own
    /// post-processor in place of the one in `tokenizer.json`.
    private func configuration(_ named: JSONObject, modelMaximumLength: Int?) -> JSONValue {
        var config = JSONObject([
            // The class that takes tokenizer.json as it is; those named for a model build parts of it anew.
            ("tokenizer_class", .string("PreTrainedTokenizerFast")),
            ("clean_up_tokenization_spaces", .bool(false)),
        ])
        // transformers sets the flag in the pre-tokenizer, so there has to be one.
        if usesByteAlphabet { config["add_prefix_space"] = .bool(preTokenizer.steps.contains(.prefixSpace)) }
        for (name, token) in named.members { config[name] = token }
        config["model_max_length"] = modelMaximumLength.map { .integer($0) }
        config["chat_template"] = chatTemplateValue
        return .object(config)
    }

    /// The template itself where there is only the usual one; otherwise a list, the usual one first.
    private var chatTemplateValue: JSONValue? {
        if chatTemplates.count == 1, let template = chatTemplates["default"] { return .string(template) }
        let names = chatTemplates.keys.sorted {
            ($0 == "default" ? 0 : 1, $0) < ($1 == "default" ? 0 : 1, $1)
        }
        guard !names.isEmpty else { return nil }
        return .array(
            names.map { name in
                .members(["name": .string(name), "template": .string(chatTemplates[name] ?? "")])
            })
    }
}
