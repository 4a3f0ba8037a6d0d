// Problems with known answers, from the same data files that training reads.

public import ChatTemplates
public import FileSupport
internal import Training

/// What a model is given.
public enum EvaluationPrompt: Equatable, Sendable {
    /// A conversation that ends before the assistant's answer. `plainText` says the same for models without a chat
    /// template; nil where there is no such form.
    case chat(Conversation, plainText: String?)
    /// A text to continue.
    case text(String)

    /// The question as people would read it.
    public var description: String {
        switch self {
        case .chat(let conversation, _): conversation.messages.last?.content.stringValue ?? ""
        case .text(let text): text
        }
    }
}

/// A prompt and its right answer.
public struct EvaluationProblem: Equatable, Sendable {
    /// What the model is given.
    public var prompt: EvaluationPrompt
    /// What it should answer.
    public var answer: Answer
    /// The file with the line.
    public var location: String

    /// A problem.
    public init(prompt: EvaluationPrompt, answer: Answer, location: String) {
        self.prompt = prompt
        self.answer = answer
        self.location = location
    }

    /// Reads the problems of a data file of any format that has prompts.
    ///
    /// The right answer is the record's `answer` field; without one, the final number of its reference output.
    /// - Parameter limit: how many to read from the start of the file; nil reads all.
    /// - Throws: `InputError` with the line, also for a file of plain texts.
    public static func read(_ path: String, limit: Int? = nil) throws(InputError) -> [EvaluationProblem] {
        let examples = try Example.read(path).examples
        var problems: [EvaluationProblem] = []
        for example in examples.prefix(limit ?? examples.count) {
            let (prompt, reference) = try split(example)
            let answer: Answer
            if let value = example.extra["answer"], value != .null {
                answer = try Answer(value, location: "\(example.location) field \"answer\"")
            } else if let number = AnswerText.finalNumber(in: reference) {
                answer = .number(number)
            } else {
                throw InputError(
                    example.location, "there is no field \"answer\", and no number in the reference output",
                    advice: "Give every record an answer, or evaluate the loss instead.")
            }
            problems.append(EvaluationProblem(prompt: prompt, answer: answer, location: example.location))
        }
        return problems
    }

    /// The prompt and the reference output of a record.
    private static func split(_ example: Example) throws(InputError) -> (EvaluationPrompt, String) {
        switch example.content {
        case .chat(var conversation):
            guard let last = conversation.messages.last, last.role == "assistant",
                conversation.messages.count > 1
            else {
                throw InputError(
                    example.location, "the conversation does not end with an answer of the assistant")
            }
            conversation.messages.removeLast()
            return (.chat(conversation, plainText: nil), last.content.stringValue ?? "")
        case .instruction(let instruction, let input, let output, let system):
            let question = ExampleEncoder.question(instruction, input: input, system: system)
            let plain = ExampleEncoder.plainPrompt(instruction, input: input, system: system)
            return (.chat(Conversation(question), plainText: plain), output)
        case .completion(let prompt, let completion): return (.text(prompt), completion)
        case .text:
            throw InputError(
                example.location, "a plain text has no prompt and answer",
                advice: "Evaluate the loss of this file instead.")
        }
    }
}
