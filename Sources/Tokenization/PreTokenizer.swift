// How text is cut into the words that byte-pair merges never cross: a sequence of splitting steps.

/// The pre-tokenizer of a byte-level model, as data. Each step splits every piece of the step before.
///
/// A new kind of split is a new case of `Step` and its scanner; a general regular expression would be one too.
struct PreTokenizer: Equatable, Sendable {
    enum Step: Equatable, Sendable {
        case digits(individually: Bool)
        case gpt2Words
        case llama3Words(longestNumber: Int)
    }

    var steps: [Step]
    /// Whether a text that does not start with a space is given one (each text between added tokens).
    var addsPrefixSpace = false

    static let gpt2 = PreTokenizer(steps: [.gpt2Words])
    static let smolLM = PreTokenizer(steps: [.digits(individually: true), .gpt2Words])
    static let llama3 = PreTokenizer(steps: [.llama3Words(longestNumber: 3)])
    static let qwen2 = PreTokenizer(steps: [.llama3Words(longestNumber: 1)])

    /// The step of a regular expression, as `tokenizer.json` files spell it; nil for one that has no scanner here.
    static func step(forPattern pattern: String) -> Step? {
        switch pattern {
        case Step.gpt2Pattern: .gpt2Words
        case Step.llama3Pattern(longestNumber: 3): .llama3Words(longestNumber: 3)
        case Step.llama3Pattern(longestNumber: 1): .llama3Words(longestNumber: 1)
        default: nil
        }
    }

    /// The pre-tokenizer that a GGUF file names in `tokenizer.ggml.pre`, or nil for a name not known here.
    ///
    /// Files without a name, or with `default`, come from converters that knew only GPT-2's.
    static func named(_ name: String) -> PreTokenizer? {
        switch name {
        case "default", "gpt-2", "gpt2", "mpt", "olmo", "phi-2": .gpt2
        case "smollm", "starcoder", "refact", "command-r": .smolLM
        case "llama3", "llama-v3", "llama-bpe": .llama3
        case "qwen2", "deepseek-r1-qwen": .qwen2
        default: nil
        }
    }
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

/// Walks the pieces of a text in order.
struct PieceCursor {
    private let scanner: TextScanner
    private let steps: [PreTokenizer.Step]
    /// `limits[k]` is the end of the current piece of the first k steps; `limits[0]` is the end of the text.
    private var limits: [Int]
    private(set) var position: Int

    init(scanner: TextScanner, range: Range<Int>, steps: [PreTokenizer.Step]) {
        self.scanner = scanner
        self.steps = steps
        position = range.lowerBound
        limits = [Int](repeating: range.lowerBound, count: steps.count + 1)
        limits[0] = range.upperBound
    }

    /// The next piece, or nil at the end of the text.
    mutating func next() -> Range<Int>? {
        let start = position
        guard start < limits[0] else { return nil }
        for level in steps.indices where start >= limits[level + 1] {
            let limit = limits[level]
            limits[level + 1] =
                switch steps[level] {
                case .digits(let individually):
                    scanner.endOfDigitsPiece(from: start, limit: limit, individually: individually)
                case .gpt2Words:
                    scanner.endOfGPT2Word(from: start, limit: limit)
                case .llama3Words(let longestNumber):
                    scanner.endOfLlama3Word(from: start, limit: limit, longestNumber: longestNumber)
                }
        }
        position = limits[steps.count]
        return start..<position
    }
}
