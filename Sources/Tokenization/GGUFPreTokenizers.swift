// The pre-tokenizers that GGUF files know by name only: `tokenizer.ggml.pre`.

import FileSupport

/// What a name stands for; the converters that write it drop these parts of `tokenizer.json`.
struct GGUFPreTokenizer {
    var steps: [PreTokenizer.Step]
    var normalizer = Normalizer.none
    var ignoresMerges = false
    /// Unless `tokenizer.ggml.add_bos_token` says something else.
    var addsBeginningOfText = false

    /// Nil for a name not known here. Files without a name, or with `default`, come from converters that knew only GPT-2.
    init?(named name: String, location: String) throws(InputError) {
        func splits(_ patterns: String...) throws(InputError) -> [PreTokenizer.Step] {
            var steps: [PreTokenizer.Step] = []
            for pattern in patterns {
                let split = try SplitPattern(.regularExpression(pattern), .isolated, location: location)
                steps.append(.split(split))
            }
            return steps
        }
        switch name {
        case "default", "gpt-2", "gpt2", "mpt", "olmo", "jais", "trillion", "granite-docling", "exaone4",
            "phi-2":
            steps = PreTokenizer.gpt2.steps
        case "smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b", "mellum2":
            steps = PreTokenizer.smolLM.steps
        case "llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2":
            steps = PreTokenizer.llama3.steps
            ignoresMerges = true
            addsBeginningOfText = true
        case "dbrx", "smaug-bpe", "chatglm-bpe", "glm4":
            steps = PreTokenizer.llama3.steps
        case "qwen2", "kormo", "f2llmv2", "megrez":
            steps = PreTokenizer.qwen2.steps
            normalizer = .nfc
        case "deepseek-r1-qwen", "stablelm2", "hunyuan", "solar-open", "grok-2":
            // The Qwen distillations of DeepSeek split as Qwen 2 does, but do not normalise.
            steps = PreTokenizer.qwen2.steps
        case "qwen35":
            steps = try splits(Pattern.qwen35)
            normalizer = .nfc
        case "gpt-4o", "o200k", "llama4", "kanana2", "talkie", "minimax-m2":
            steps = try splits(Pattern.gpt4o)
        case "tekken":
            steps = try splits(Pattern.tekken)
            ignoresMerges = true
            addsBeginningOfText = true
        case "deepseek-llm":
            steps = try splits(
                #"[\r\n]"#, Pattern.deepSeekLetters, Pattern.deepSeekPunctuation, #"\s+$"#,
                Pattern.deepSeekIdeographs, #"\p{N}+"#)
        case "deepseek-coder":
            steps = try splits(
                #"[\r\n]"#, #"\s?\p{L}+"#, #"\s?\p{P}+"#, Pattern.deepSeekIdeographs, #"\p{N}"#)
        case "deepseek-v3", "hunyuan-dense", "joyai-llm":
            steps = try splits(#"\p{N}{1,3}"#, #"[一-龥\u3040-ゟ゠-ヿ]+"#, Pattern.deepSeek3)
        case "falcon":
            steps =
                [.split(try Self.contiguous(#"[\p{P}\$\+<=>\^~\|`]+"#, location: location))]
                + PreTokenizer.gpt2.steps + (try splits("[0-9][0-9][0-9]"))
        case "bloom", "poro-chat", "gpt3-finnish":
            steps = try splits(Pattern.bloom)
        case "viking":
            steps = try splits(Pattern.bloom, #"\p{N}"#)
        case "seed-coder":
            steps = try splits(Pattern.seedCoder)
        case "bailingmoe", "bailingmoe2", "llada-moe":
            steps = try splits(Pattern.bailing)
        default:
            return nil
        }
    }

    private static func contiguous(_ pattern: String, location: String) throws(InputError) -> SplitPattern {
        try SplitPattern(.regularExpression(pattern), .contiguous, location: location)
    }

    /// As the `tokenizer.json` files of these models write them.
    enum Pattern {
        private static let upper = #"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"#
        private static let lower = #"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"#
        private static let contraction = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
        private static let word = #"[^\r\n\p{L}\p{N}]?"#
        private static let rest = #"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"#

        /// OpenAI's o200k.
        static let gpt4o =
            "\(word)\(upper)*\(lower)+\(contraction)?|\(word)\(upper)+\(lower)*\(contraction)?|\\p{N}{1,3}\(rest)"
        static let tekken = "\(word)\(upper)*\(lower)+|\(word)\(upper)+\(lower)*|\\p{N}\(rest)"
        static let qwen35 =
            contraction + #"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*"#
            + #"|\s*[\r\n]+|\s+(?!\S)|\s+"#
        static let seedCoder =
            contraction + #"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+"#
            + #"|\s*[\r\n]+|\s+(?!\S)|\s+"#
        static let bailing =
            #"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*"#
            + #"|\s*[\r\n]|\s+(?!\S)|\s+"#
        static let bloom = #" ?[^(\s|.,!?…。，、।۔،)]+"#
        static let deepSeek3 =
            ##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"##
            + #"| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
        static let deepSeekIdeographs = #"[一-龥\u0800-一가-\uD7FF]+"#
        static let deepSeekPunctuation = #"\s?[!-/:-~！-／：-～‘-‟\u3000-。]+"#
        /// The cased letters of an older Unicode.
        static let deepSeekLetters =
            #"\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕ"#
            + #"ἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-ώᾀ-ᾴᾶ-ᾼ\u1FBEῂ-ῄῆ-ῌῐ-\u1FD3ῖ-\u1FDBῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤ\u2126ℨ\u212A-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎ"#
            + #"ↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ\x{10400}-\x{1044F}\x{104B0}-\x{104D3}"#
            + #"\x{104D8}-\x{104FB}\x{10C80}-\x{10CB2}\x{10CC0}-\x{10CF2}\x{118A0}-\x{118DF}"#
            + #"\x{1E900}-\x{1E943}]+"#
    }
}
