// Text from a model: tokens to text as they come, stop strings, the model's own end of turn.

public import ChatTemplates
public import FileSupport
internal import Models
internal import Tokenization

extension LanguageModel {
    /// Continues one prompt, handing text over as it is generated.
    ///
    /// - Parameters:
    ///   - prompt: token ids, not empty.
    ///   - options: how the text is sampled and where it ends; by default greedily, after 256 tokens at most.
    ///   - onText: receives each new piece of text and says whether to go on.
    /// - Throws: `InputError` when a token is not in the vocabulary or memory does not suffice.
    public func generate(
        _ prompt: [Int32], options: GenerationOptions = GenerationOptions(),
        onText: (String) -> Bool = { _ in true }
    ) throws(InputError) -> GeneratedText {
        let answers = try generate(batch: [prompt], options: options) { _, piece in onText(piece) }
        guard let answer = answers.first else { preconditionFailure("generate: no answer for a prompt") }
        return answer
    }

    /// Answers a conversation through the model's chat template.
    ///
    /// - Throws: `InputError` when the model has no chat template or the template refuses the conversation.
    public func reply(
        to messages: [ChatMessage], options: GenerationOptions = GenerationOptions()
    ) throws(InputError) -> GeneratedText {
        try generate(promptTokens(for: messages), options: options)
    }

    /// Answers a single question through the model's chat template.
    ///
    /// - Throws: `InputError` when the model has no chat template.
    public func reply(
        to question: String, options: GenerationOptions = GenerationOptions()
    ) throws(InputError) -> String {
        try reply(to: [ChatMessage(role: "user", content: question)], options: options).text
    }

    /// Continues many prompts side by side; one that ends makes room for the next.
    ///
    /// - Parameters:
    ///   - batch: token ids of each prompt, none empty.
    ///   - options: how the texts are sampled and where they end.
    ///   - concurrent: how many are decoded at once.
    ///   - onText: receives the prompt's number and each new piece of its text, and says whether to go on with it.
    /// - Returns: the answers in the order of the prompts.
    /// - Throws: `InputError` when a token is not in the vocabulary or memory does not suffice.
    public func generate(
        batch: [[Int32]], options: GenerationOptions = GenerationOptions(), concurrent: Int = 32,
        onText: (_ prompt: Int, _ piece: String) -> Bool = { _, _ in true }
    ) throws(InputError) -> [GeneratedText] {
        let generator = generator(options, concurrent: concurrent)
        var answers = batch.map { _ in TextAssembly(tokenizer: tokenizer, stopStrings: options.stopStrings) }
        let tokens = try generator.generate(batch) { prompt, token throws(InputError) in
            let piece = answers[prompt].append(token)
            if !piece.isEmpty, !onText(prompt, piece) { answers[prompt].finishReason = .cancelled }
            return answers[prompt].finishReason == nil ? .goOn : .stop
        }
        return batch.indices.map { index in
            answers[index].finished(
                promptTokens: batch[index].count, tokens: tokens[index].count, options: options
            ) { onText(index, $0) }
        }
    }

    /// Continues a prompt, reading only what the memory does not hold of it.
    func generate(
        _ prompt: [Int32], memory: GenerationMemory, options: GenerationOptions, onText: (String) -> Bool
    ) throws(InputError) -> GeneratedText {
        var answer = TextAssembly(tokenizer: tokenizer, stopStrings: options.stopStrings)
        let tokens = try generator(options, concurrent: 1).generate(prompt, memory: memory) {
            token throws(InputError) in
            let piece = answer.append(token)
            if !piece.isEmpty, !onText(piece) { answer.finishReason = .cancelled }
            return answer.finishReason == nil ? .goOn : .stop
        }
        return answer.finished(
            promptTokens: prompt.count, tokens: tokens.count, options: options, onText: onText)
    }

    private func generator(_ options: GenerationOptions, concurrent: Int) -> Generator {
        Generator(
            decoder,
            options: Models.GenerationOptions(
                maximumTokens: options.maximumTokens, temperature: Float(options.temperature),
                topK: options.topK, topP: Float(options.topP), minP: Float(options.minP),
                repetitionPenalty: Float(options.repetitionPenalty), seed: options.seed,
                stopTokens: endTokens),
            slotCount: concurrent)
    }
}

/// Builds an answer's text token by token and looks for stop strings in it.
struct TextAssembly {
    /// The text so far that certainly belongs to the answer.
    private(set) var text = ""
    var finishReason: GeneratedText.FinishReason?
    /// Decoded, but perhaps the beginning of a stop string.
    private var heldBack: [UInt8] = []
    private var decoder: StreamingDecoder
    private let stopStrings: [[UInt8]]

    init(tokenizer: Tokenizer, stopStrings: [String]) {
        decoder = StreamingDecoder(tokenizer, skipSpecialTokens: true)
        self.stopStrings = stopStrings.filter { !$0.isEmpty }.map { Array($0.utf8) }
    }

    /// Takes a token; returns the text that is now certain.
    mutating func append(_ token: Int32) -> String { take(decoder.append(token)) }

    /// The text that was still held back, as far as no stop string ends it after all.
    mutating func finish() -> String {
        finishReason == .stopString ? "" : take(decoder.finish(), isLast: true)
    }

    /// The whole answer, after the text that was held back.
    mutating func finished(
        promptTokens: Int, tokens: Int, options: GenerationOptions, onText: (String) -> Bool
    ) -> GeneratedText {
        let rest = finish()
        if !rest.isEmpty { _ = onText(rest) }
        return GeneratedText(
            text: text, promptTokenCount: promptTokens, tokenCount: tokens,
            finishReason: finishReason ?? (tokens >= options.maximumTokens ? .length : .endOfTurn))
    }

    private mutating func take(_ piece: String, isLast: Bool = false) -> String {
        heldBack += Array(piece.utf8)
        var certain = heldBack.count
        for start in heldBack.indices {
            let rest = heldBack[start...]
            if stopStrings.contains(where: { rest.starts(with: $0) }) {
                finishReason = .stopString
                certain = start
                break
            }
            if !isLast, stopStrings.contains(where: { $0.count > rest.count && $0.starts(with: rest) }) {
                certain = start
                break
            }
        }
        let released = String(decoding: heldBack[..<certain], as: UTF8.self)
        heldBack.removeFirst(certain)
        text += released
        return released
    }
}
