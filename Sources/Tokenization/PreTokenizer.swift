// How text is cut into the words that tokens never cross: a sequence of splitting steps.

/// The pre-tokenizer of a model, as data. Each step works on every piece of the step before.
struct PreTokenizer: Equatable, Sendable {
    enum Step: Equatable, Sendable {
        case digits(individually: Bool)
        case gpt2Words
        case llama3Words(longestNumber: Int)
        case split(SplitPattern)
        /// A piece that does not start with a space is given one.
        case prefixSpace
        case metaspace(Metaspace)
    }

    var steps: [Step]

    static let none = PreTokenizer(steps: [])
    static let gpt2 = PreTokenizer(steps: [.gpt2Words])
    static let smolLM = PreTokenizer(steps: [.digits(individually: true), .gpt2Words])
    static let llama3 = PreTokenizer(steps: [.llama3Words(longestNumber: 3)])
    static let qwen2 = PreTokenizer(steps: [.llama3Words(longestNumber: 1)])

    /// The step of a regular expression that has a scanner of its own, as `tokenizer.json` files spell it.
    static func scannedStep(forPattern pattern: String) -> Step? {
        switch pattern {
        case Step.gpt2Pattern: .gpt2Words
        case Step.llama3Pattern(longestNumber: 3): .llama3Words(longestNumber: 3)
        case Step.llama3Pattern(longestNumber: 1): .llama3Words(longestNumber: 1)
        default: nil
        }
    }
}

/// Spaces become a visible character, which also starts the text; pieces may start with each.
struct Metaspace: Equatable, Sendable {
    enum PrependScheme: String, Sendable {
        case always, first, never
    }

    /// U+2581, nearly always.
    var replacement: Unicode.Scalar
    /// Which pieces get one in front unless they start with one: all, only the first of the text, or none.
    var prependScheme: PrependScheme
    /// Splits before each; nil where the text stays in one piece.
    var split: SplitPattern?
}

extension PreTokenizer.Step {
    static let gpt2Pattern =
        #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#

    static func llama3Pattern(longestNumber: Int) -> String {
        #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"#
            + (longestNumber == 1 ? #"\p{N}"# : #"\p{N}{1,\#(longestNumber)}"#)
            + #"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
    }
}
