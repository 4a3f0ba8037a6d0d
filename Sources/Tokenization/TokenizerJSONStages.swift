// The stages around the model in `tokenizer.json`: normaliser, pre-tokenizer, post-processor, decoder.

import FileSupport

extension TokenizerJSON {
    func normalizer() throws(InputError) -> TokenizerDefinition.Normalizer {
        var result = TokenizerDefinition.Normalizer.none
        for (path, kind, _) in try parts("normalizer", list: "normalizers") {
            guard kind == "NFC" else { throw unsupported(path, "the normalizer \(kind)") }
            result = .nfc
        }
        return result
    }

    /// `Split` by a known pattern, `Digits` and `ByteLevel`, in the orders in which ByteLevel comes last.
    func readPreTokenizer(into definition: inout TokenizerDefinition) throws(InputError) {
        var preTokenizer = PreTokenizer(steps: [])
        let parts = try parts("pre_tokenizer", list: "pretokenizers")
        guard parts.last?.kind == "ByteLevel" else {
            throw unsupported("pre_tokenizer", "a model whose last pre-tokenizer is not ByteLevel")
        }
        for (index, (path, kind, part)) in parts.enumerated() {
            switch kind {
            case "Digits":
                let individually = try flag("individual_digits", of: part, at: path, default: false)
                preTokenizer.steps.append(.digits(individually: individually))
            case "Split":
                preTokenizer.steps.append(try split(part, at: path))
            case "ByteLevel" where index == parts.count - 1:
                if try flag("add_prefix_space", of: part, at: path, default: true) {
                    guard index == 0 else {
                        throw unsupported(
                            "\(path).add_prefix_space", "a prefix space after another pre-tokenizer")
                    }
                    preTokenizer.addsPrefixSpace = true
                }
                if try flag("use_regex", of: part, at: path, default: true) {
                    preTokenizer.steps.append(.gpt2Words)
                }
            default:
                throw unsupported(path, "the pre-tokenizer \(kind) here")
            }
        }
        definition.preTokenizer = preTokenizer
    }

    private func split(_ part: JSONObject, at path: String) throws(InputError) -> PreTokenizer.Step {
        guard let pattern = part["pattern"]?["Regex"]?.stringValue else {
            throw unsupported("\(path).pattern", "a split by a plain string")
        }
        guard let step = PreTokenizer.step(forPattern: pattern) else {
            throw unsupported("\(path).pattern", "the pattern \(pattern.prefix(200))")
        }
        // The known patterns match every character, so what is between matches is empty, and "keep the matches"
        // can be said in two ways.
        let behavior = part["behavior"]?.stringValue ?? ""
        let isInverted = try flag("invert", of: part, at: path, default: false)
        guard (behavior == "Isolated") || (behavior == "Removed" && isInverted) else {
            throw unsupported("\(path).behavior", "\"\(behavior)\"\(isInverted ? " with invert" : "")")
        }
        return step
    }

    func checkDecoder() throws(InputError) {
        for (path, kind, _) in try parts("decoder", list: "decoders") where kind != "ByteLevel" {
            throw unsupported(path, "the decoder \(kind)")
        }
        guard member("decoder", of: root) != nil else {
            throw unsupported("decoder", "a model without the decoder ByteLevel")
        }
    }

    /// Reads the tokens that a template puts around a single text.
    func readPostProcessor(into definition: inout TokenizerDefinition) throws(InputError) {
        for (path, kind, part) in try parts("post_processor", list: "processors") {
            switch kind {
            case "ByteLevel":
                // Adjusts offsets only.
                continue
            case "TemplateProcessing":
                guard definition.prefix.isEmpty, definition.suffix.isEmpty else {
                    throw unsupported(path, "a second template")
                }
                (definition.prefix, definition.suffix) = try template(part, at: path)
            default:
                throw unsupported(path, "the post-processor \(kind)")
            }
        }
    }

    private func template(_ part: JSONObject, at path: String) throws(InputError) -> (
        prefix: [Int32], suffix: [Int32]
    ) {
        guard let pieces = part["single"]?.arrayValue else {
            throw fail("\(path).single", expected: "a list", found: part["single"])
        }
        var before: [Int32] = []
        var after: [Int32] = []
        var textCount = 0
        for (index, piece) in pieces.enumerated() {
            let piecePath = "\(path).single[\(index)]"
            if piece["Sequence"] != nil {
                textCount += 1
            } else if let name = piece["SpecialToken"]?["id"]?.stringValue {
                guard let ids = part["special_tokens"]?[name]?["ids"]?.arrayValue else {
                    throw fail(
                        "\(path).special_tokens.\"\(name)\".ids", expected: "a list",
                        found: part["special_tokens"]?[name]?["ids"])
                }
                for id in ids {
                    let token = Int32(try tokenID(id, at: "\(path).special_tokens.\"\(name)\".ids"))
                    if textCount == 0 { before.append(token) } else { after.append(token) }
                }
            } else {
                throw fail(piecePath, expected: "a Sequence or a SpecialToken", found: piece)
            }
        }
        guard textCount == 1 else {
            throw InputError(
                "\(location), \(path).single", expected: "the text once", found: "\(textCount) times")
        }
        return (before, after)
    }
}
