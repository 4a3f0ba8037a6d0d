// A conversation that goes on: the model reads each turn once.

public import ChatTemplates
public import FileSupport
internal import Models

/// A conversation with a model.
///
/// Keys and values of what the model has read are kept between turns, so a turn costs by its own length and not by the
/// conversation's. Answers are those of a conversation that is read anew, to within rounding.
public final class ChatSession {
    /// The model, with the adapter that it has at each turn.
    public let model: LanguageModel
    /// The conversation so far: the system message if there is one, then questions and answers in turn.
    public private(set) var messages: [ChatMessage]
    private let openingCount: Int
    private let memory = GenerationMemory()

    /// One answer, and what became of the conversation.
    public struct Turn: Equatable, Sendable {
        /// The answer.
        public var answer: GeneratedText
        /// Tokens of the prompt that the model had read in earlier turns.
        public var rememberedTokenCount: Int
        /// The oldest questions and answers that were forgotten, because the conversation had become longer than the
        /// model can read.
        public var forgottenExchanges: Int
    }

    /// - Parameters:
    ///   - model: what answers.
    ///   - system: a system message that opens the conversation.
    public init(_ model: LanguageModel, system: String? = nil) {
        self.model = model
        messages = system.map { [ChatMessage(role: "system", content: $0)] } ?? []
        openingCount = messages.count
    }

    /// Asks the model and adds question and answer to the conversation.
    ///
    /// A conversation that leaves too little of the model's context length loses its oldest exchanges: room is kept for
    /// the answer, or for as much of it as half the context holds.
    /// - Parameters:
    ///   - question: what the user says.
    ///   - options: how the answer is sampled and where it ends.
    ///   - onText: receives each new piece of the answer and says whether to go on.
    /// - Throws: `InputError` when the question alone is too long or the template refuses the conversation, which then
    ///   stays as it was.
    public func ask(
        _ question: String, options: GenerationOptions = GenerationOptions(),
        onText: (String) -> Bool = { _ in true }
    ) throws(InputError) -> Turn {
        let question = ChatMessage(role: "user", content: question)
        var kept = messages + [question]
        var tokens = try model.promptTokens(for: kept)
        var forgotten = 0
        let room = model.contextLength - min(options.maximumTokens, model.contextLength / 2)
        while tokens.count > room, kept.count > openingCount + 2 {
            kept.removeSubrange(openingCount..<openingCount + 2)
            forgotten += 1
            tokens = try model.promptTokens(for: kept)
        }
        guard tokens.count < model.contextLength else {
            throw InputError(
                "the message",
                "it makes a prompt of \(tokens.count) tokens, and \(model.path) reads "
                    + "at most \(model.contextLength)", advice: "Shorten it.")
        }
        var options = options
        options.maximumTokens = min(options.maximumTokens, model.contextLength - tokens.count)
        let answer = try model.generate(tokens, memory: memory, options: options, onText: onText)
        messages = kept + [ChatMessage(role: "assistant", content: answer.text)]
        return Turn(
            answer: answer, rememberedTokenCount: memory.reusedTokenCount, forgottenExchanges: forgotten)
    }

    /// Takes the last question and its answer back.
    public func undo() { messages.removeLast(min(2, messages.count - openingCount)) }

    /// Starts over.
    public func clear() {
        messages.removeSubrange(openingCount...)
        memory.clear()
    }
}
