// The stages around the model in `tokenizer.json`: normaliser, pre-tokenizer, post-processor, decoder.

import FileSupport
import Foundation

extension TokenizerJSON {
    func normalizer() throws(InputError) -> Normalizer {
        var normalizer = Normalizer.none
        for (path, kind, part) in try parts("normalizer", list: "normalizers") {
            if let form = Normalizer.Form(rawValue: kind) {
                normalizer.steps.append(.unicode(form))
                continue
            }
            switch kind {
            case "Lowercase":
                normalizer.steps.append(.lowercase)
            case "StripAccents":
                normalizer.steps.append(.stripAccents)
            case "Strip":
                normalizer.steps.append(
                    .strip(
                        left: try flag("strip_left", of: part, at: path, default: true),
                        right: try flag("strip_right", of: part, at: path, default: true)))
            case "Prepend":
                normalizer.steps.append(.prepend(try string("prepend", of: part, at: path)))
            case "Replace":
                normalizer.steps.append(.replace(try replacement(part, at: path)))
            case "Precompiled":
                normalizer.steps.append(.precompiled(try charsmap(part, at: path)))
            default:
                throw unsupported(path, "the normalizer \(kind)")
            }
        }
        return normalizer
    }

    /// Reads the pre-tokenizers; true where the last is `ByteLevel`, with which vocabularies are written in its alphabet.
    func readPreTokenizer(into definition: inout TokenizerDefinition) throws(InputError) -> Bool {
        definition.preTokenizer = .none
        let parts = try parts("pre_tokenizer", list: "pretokenizers")
        for (index, (path, kind, part)) in parts.enumerated() {
            let steps =
                if kind != "ByteLevel" {
                    try preTokenizerSteps(kind, part, at: path)
                } else if index == parts.count - 1 {
                    try byteLevelSteps(part, at: path)
                } else {
                    throw unsupported(path, "a pre-tokenizer behind ByteLevel")
                }
            definition.preTokenizer.steps += steps
        }
        return parts.last?.kind == "ByteLevel"
    }

    private func byteLevelSteps(_ part: JSONObject, at path: String) throws(InputError) -> [PreTokenizer.Step]
    {
        let addsSpace = try flag("add_prefix_space", of: part, at: path, default: true)
        let splits = try flag("use_regex", of: part, at: path, default: true)
        return (addsSpace ? [.prefixSpace] : []) + (splits ? [.gpt2Words] : [])
    }

    private func preTokenizerSteps(
        _ kind: String, _ part: JSONObject, at path: String
    ) throws(InputError) -> [PreTokenizer.Step] {
        func matches(
            _ pattern: String, _ behavior: SplitPattern.Behavior, isInverted: Bool = false
        ) throws(InputError) -> PreTokenizer.Step {
            .split(
                try SplitPattern(
                    .regularExpression(pattern), behavior, isInverted: isInverted,
                    location: "\(location), \(path)"))
        }
        switch kind {
        case "Digits":
            return [.digits(individually: try flag("individual_digits", of: part, at: path, default: false))]
        case "Split":
            return [try split(part, at: path)]
        case "Metaspace":
            return [.metaspace(try metaspace(part, at: path))]
        case "Whitespace":
            return [try matches(Self.words, .removed, isInverted: true)]
        case "WhitespaceSplit":
            return [try matches(#"\s"#, .removed)]
        case "Punctuation":
            let behavior = member("behavior", of: part) == nil ? .isolated : try behavior(part, at: path)
            return [try matches(Self.punctuation, behavior)]
        case "BertPreTokenizer":
            return [try matches(#"\s"#, .removed), try matches(Self.punctuation, .isolated)]
        case "CharDelimiterSplit":
            let delimiter = try string("delimiter", of: part, at: path)
            return [
                .split(try SplitPattern(.literal(delimiter), .removed, location: "\(location), \(path)"))
            ]
        default:
            throw unsupported(path, "the pre-tokenizer \(kind)")
        }
    }

    /// The splitter's own `\w` takes in the two join controls; that of patterns in files does not.
    private static let words = #"[\w\x{200C}\x{200D}]+|[^\w\s\x{200C}\x{200D}]+"#
    private static let punctuation = #"[\p{P}!-/:-@\[-`{-~]"#

    private func split(_ part: JSONObject, at path: String) throws(InputError) -> PreTokenizer.Step {
        let source = try pattern(part, at: path)
        let isInverted = try flag("invert", of: part, at: path, default: false)
        let behavior = try behavior(part, at: path)
        // The patterns with scanners match every character, so what is between matches is empty, and "keep the matches"
        // can be said in two ways.
        if case .regularExpression(let pattern) = source,
            let step = PreTokenizer.scannedStep(forPattern: pattern),
            behavior == .isolated || behavior == .removed && isInverted
        {
            return step
        }
        return .split(
            try SplitPattern(
                source, behavior, isInverted: isInverted, location: "\(location), \(path).pattern"))
    }

    private func behavior(_ part: JSONObject, at path: String) throws(InputError) -> SplitPattern.Behavior {
        guard let behavior = part["behavior"]?.stringValue.flatMap(SplitPattern.Behavior.init(rawValue:))
        else {
            throw fail("\(path).behavior", expected: "a behavior of a splitter", found: part["behavior"])
        }
        return behavior
    }

    /// `{"String": ...}` or `{"Regex": ...}`
    private func pattern(_ part: JSONObject, at path: String) throws(InputError) -> SplitPattern.Source {
        if let text = part["pattern"]?["String"]?.stringValue, !text.isEmpty { return .literal(text) }
        if let pattern = part["pattern"]?["Regex"]?.stringValue { return .regularExpression(pattern) }
        throw fail("\(path).pattern", expected: "a String or a Regex", found: part["pattern"])
    }

    private func string(_ key: String, of part: JSONObject, at path: String) throws(InputError) -> String {
        guard let text = part[key]?.stringValue else {
            throw fail("\(path).\(key)", expected: "a string", found: part[key])
        }
        return text
    }

    private func scalar(_ key: String, of part: JSONObject, at path: String) throws(InputError)
        -> Unicode.Scalar
    {
        let text = try string(key, of: part, at: path)
        guard text.unicodeScalars.count == 1, let scalar = text.unicodeScalars.first else {
            throw fail("\(path).\(key)", expected: "one character", found: part[key])
        }
        return scalar
    }

    private func replacement(_ part: JSONObject, at path: String) throws(InputError) -> Replacement {
        try Replacement(
            try pattern(part, at: path), with: try string("content", of: part, at: path),
            location: "\(location), \(path).pattern")
    }

    private func charsmap(_ part: JSONObject, at path: String) throws(InputError) -> PrecompiledCharsmap {
        let path = "\(path).precompiled_charsmap"
        let text = part["precompiled_charsmap"]
        guard let bytes = text?.stringValue.flatMap({ Data(base64Encoded: $0) }) else {
            throw fail(path, expected: "bytes in base64", found: text)
        }
        return try PrecompiledCharsmap(Array(bytes), location: "\(location), \(path)")
    }

    private func metaspace(_ part: JSONObject, at path: String) throws(InputError) -> Metaspace {
        let replacement = try scalar("replacement", of: part, at: path)
        let splits = try flag("split", of: part, at: path, default: true)
        return Metaspace(
            replacement: replacement, prependScheme: try prependScheme(part, at: path),
            split: splits
                ? try SplitPattern(
                    .literal(String(replacement)), .mergedWithNext, location: "\(location), \(path)") : nil)
    }

    private func prependScheme(_ part: JSONObject, at path: String) throws(InputError)
        -> Metaspace.PrependScheme
    {
        guard let value = member("prepend_scheme", of: part) else {
            // Files of before the schemes have a flag.
            return try flag("add_prefix_space", of: part, at: path, default: true) ? .always : .never
        }
        guard let scheme = value.stringValue.flatMap(Metaspace.PrependScheme.init(rawValue:)) else {
            throw fail("\(path).prepend_scheme", expected: "always, first or never", found: value)
        }
        return scheme
    }

    func decoder(usesByteAlphabet: Bool) throws(InputError) -> TokenDecoder {
        var decoder = TokenDecoder(steps: [])
        let parts = try parts("decoder", list: "decoders")
        guard !parts.isEmpty else { throw unsupported("decoder", "a tokenizer without a decoder") }
        for (path, kind, part) in parts {
            guard usesByteAlphabet == (kind == "ByteLevel"), decoder.steps.isEmpty || kind != "ByteLevel"
            else {
                throw unsupported(
                    path,
                    "the decoder \(kind) \(usesByteAlphabet ? "for" : "without") a byte-level vocabulary")
            }
            let isFused = decoder.steps.contains(.fuse)
            switch kind {
            case "ByteLevel":
                decoder.steps.append(.byteLevel)
            case "Fuse":
                decoder.steps.append(.fuse)
            case "ByteFallback" where !isFused && !decoder.steps.contains(.byteFallback):
                decoder.steps.append(.byteFallback)
            case "Replace":
                let replacement = try replacement(part, at: path)
                // Text comes in pieces: only what is one character is sure to be in one piece.
                if isFused {
                    guard case .literal(let text) = replacement.pattern, text.unicodeScalars.count == 1 else {
                        throw unsupported(path, "Replace of more than a character behind Fuse")
                    }
                }
                decoder.steps.append(.replace(replacement))
            case "Strip":
                decoder.steps.append(try strip(part, at: path, isFused: isFused))
            case "Metaspace" where !isFused && !decoder.hasMetaspace:
                decoder.steps.append(
                    .metaspace(
                        replacement: try scalar("replacement", of: part, at: path),
                        prependScheme: try prependScheme(part, at: path)))
            default:
                throw unsupported(path, "the decoder \(kind)\(isFused ? " behind Fuse" : "")")
            }
        }
        return decoder
    }

    private func strip(_ part: JSONObject, at path: String, isFused: Bool) throws(InputError)
        -> TokenDecoder.Step
    {
        func count(_ key: String) throws(InputError) -> Int {
            guard let count = part[key]?.integerValue, (0...1000).contains(count) else {
                throw fail("\(path).\(key)", expected: "a number from 0 to 1000", found: part[key])
            }
            return count
        }
        let (start, stop) = (try count("start"), try count("stop"))
        guard !isFused || stop == 0 else { throw unsupported("\(path).stop", "Strip of the end behind Fuse") }
        return .strip(content: try scalar("content", of: part, at: path), start: start, stop: stop)
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
