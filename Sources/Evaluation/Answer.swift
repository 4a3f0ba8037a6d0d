// What a model was asked for and whether its text says it: a number, or one of some options.

public import FileSupport

/// The right answer to a problem, by the rules of the LLM-Adapters evaluation.
public enum Answer: Equatable, Sendable {
    /// A number; a text is right when its final number is within 0.001 of it.
    case number(Double)
    /// One of several options, such as `answer2`, `true` or `B`; a text is right when the option that it names is this.
    case option(String)

    /// The answer that a data record gives: a number where it is one, else an option.
    ///
    /// - Throws: `InputError` when it is neither a number nor one word.
    public init(_ value: JSONValue, location: String) throws(InputError) {
        switch value {
        case .integer, .number: self = .number(value.doubleValue ?? 0)
        case .bool(let truth): self = .option(truth ? "true" : "false")
        case .string(let text):
            let words = text.split(whereSeparator: \.isWhitespace)
            guard words.count == 1, let word = words.first else {
                throw InputError(
                    location, expected: "an answer that is a number or one word",
                    found: "\"\(text.prefix(60))\"")
            }
            let numbers = NumberScanner.numbers(in: word)
            let isNumber = !word.contains(where: \.isLetter) && numbers.count == 1
            self = isNumber ? .number(numbers[0]) : .option(String(word))
        default:
            throw InputError(
                location, expected: "an answer that is a number or one word", found: value.kindName)
        }
    }

    /// The answer as text.
    public var text: String {
        switch self {
        case .number(let value): Int(exactly: value).map { "\($0)" } ?? "\(value)"
        case .option(let name): name
        }
    }

    /// What the text answers, in the form of this answer; nil when it answers nothing of the kind.
    public func extracted(from text: String) -> Answer? {
        switch self {
        case .number: AnswerText.finalNumber(in: text).map { .number($0) }
        case .option(let name): AnswerText.option(like: name, in: text).map { .option($0) }
        }
    }

    /// Whether another answer says the same.
    public func matches(_ other: Answer?) -> Bool {
        switch (self, other) {
        case (.number(let expected), .number(let found)): abs(expected - found) <= 1e-3
        case (.option(let expected), .option(let found)): expected.lowercased() == found.lowercased()
        default: false
        }
    }
}

/// Finds answers in generated text.
enum AnswerText {
    /// "The answer is N" counts first, the last time it is said; else the last number of the text.
    static func finalNumber(in text: String) -> Double? {
        if let statement = statement(in: text) {
            // "The answer is 3 + 4 = 7": what stands behind the equals sign.
            let result = statement.split(separator: "=").last ?? statement
            if let number = NumberScanner.numbers(in: result).first { return number }
            if let number = NumberScanner.numbers(in: statement).last { return number }
        }
        return NumberScanner.numbers(in: text).last
    }

    /// The option that the text names, of the same kind as `sample`: `answer` with a number, true or false, a letter.
    static func option(like sample: String, in text: String) -> String? {
        let kind = OptionKind(sample)
        let place = statement(in: text) ?? text[...]
        return words(of: place).first(where: kind.contains)
            ?? words(of: text[...]).first(where: kind.contains)
    }

    /// The rest of the sentence after the last "answer is" (or "answer:"), nil when the text does not say it.
    private static func statement(in text: String) -> Substring? {
        // Lowercasing ASCII keeps the places of all bytes.
        let folded = text.utf8.map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 }
        var end: Int?
        for phrase in ["answer is", "answer:"] {
            let phrase = Array(phrase.utf8)
            guard folded.count >= phrase.count else { continue }
            let last = (0...folded.count - phrase.count).last {
                folded[$0..<$0 + phrase.count].elementsEqual(phrase)
            }
            if let last { end = max(end ?? 0, last + phrase.count) }
        }
        guard let end else { return nil }
        let rest = text[text.utf8.index(text.startIndex, offsetBy: end)...]
        return rest.prefix(while: { !$0.isNewline })
    }

    /// Runs of letters and digits.
    private static func words(of text: Substring) -> [String] {
        text.split(whereSeparator: { !$0.isLetter && !$0.isNumber }).map(String.init)
    }

    /// The kind of option that a name belongs to.
    private enum OptionKind {
        case truth
        case letter
        /// A word with a number behind it: `answer2`, `solution1`, `ending4`.
        case numbered(String)
        case word(String)

        init(_ sample: String) {
            let letters = sample.prefix(while: \.isLetter)
            let digits = sample.dropFirst(letters.count)
            if ["true", "false"].contains(sample.lowercased()) {
                self = .truth
            } else if sample.count == 1, letters.count == 1 {
                self = .letter
            } else if !letters.isEmpty, !digits.isEmpty, digits.allSatisfy(\.isNumber) {
                self = .numbered(letters.lowercased())
            } else {
                self = .word(sample.lowercased())
            }
        }

        func contains(_ word: String) -> Bool {
            switch self {
            case .truth: return ["true", "false"].contains(word.lowercased())
            // Options are capitals; "a" is an article, and even "A" begins sentences, hence statements first.
            case .letter: return word.count == 1 && ("A"..."H").contains(word)
            case .numbered(let name):
                let lowered = word.lowercased()
                let rest = lowered.dropFirst(name.count)
                return lowered.hasPrefix(name) && !rest.isEmpty && rest.allSatisfy(\.isNumber)
            case .word(let name): return word.lowercased() == name
            }
        }
    }
}
