// Turns examples into tokens, and decides which of them are trained.

package import ChatTemplates
package import FileSupport
import Tokenization

/// What a format's examples become:
///
/// - chat, sharegpt: the text of the chat template; trained are the assistant's turns (see `ConversationEncoder`).
/// - alpaca: through the chat template when the model has one, the instruction (then a blank line and the input, if
///   any) as the user's turn and the output as the assistant's; else the text of `plainPrompt`, trained like a
///   completion.
/// - completions: the prompt, then the completion and the token that ends a text, which two are trained.
/// - text: all of it and the token that ends a text, all trained.
///
/// Prompt and answer are tokenized apart, as they are when the model answers. Chat text is tokenized without the
/// tokenizer's own prefix: the template writes what begins a text, so that it never stands there twice.
package struct ExampleEncoder {
    package let tokenizer: any TextEncoder
    package let options: DatasetOptions
    private let conversations: ConversationEncoder?

    /// - Parameter template: the model's chat template; nil when it has none.
    package init(
        tokenizer: any TextEncoder, template: ChatTemplate?, options: DatasetOptions = DatasetOptions()
    ) {
        self.tokenizer = tokenizer
        self.options = options
        conversations = template.map { ConversationEncoder(template: $0, tokenizer: tokenizer) }
    }

    /// The tokens of an example, of whatever length.
    /// - Throws: `InputError` with the example's line.
    package func encode(_ example: Example) throws(InputError) -> TokenizedExample {
        var encoded: TokenizedExample
        switch example.content {
        case .chat(let conversation):
            guard let conversations else {
                throw InputError(
                    example.location, "the model has no chat template to write conversations with",
                    advice: "Use a model with one, or data in the prompt and completion format")
            }
            encoded = try conversations.encode(conversation, location: example.location)
        case .instruction(let instruction, let input, let output, let system):
            if let conversations {
                let messages =
                    Self.question(instruction, input: input, system: system)
                    + [ChatMessage(role: "assistant", content: output)]
                encoded = try conversations.encode(Conversation(messages), location: example.location)
            } else {
                let prompt = Self.plainPrompt(instruction, input: input, system: system)
                encoded = try completion(output, after: prompt, example)
            }
        case .completion(let prompt, let completion):
            encoded = try self.completion(completion, after: prompt, example)
        case .text(let text):
            encoded = TokenizedExample([(tokenizer.encodeBeginning(text) + [try endOfText(example)], true)])
        }
        if !options.maskPrompt { encoded.labelAll() }
        return encoded
    }

    /// An instruction as the conversation that an assistant answers: the one form for training, generation and scores.
    package static func question(_ instruction: String, input: String, system: String?) -> [ChatMessage] {
        let opening = system.map { [ChatMessage(role: "system", content: $0)] } ?? []
        let text = input.isEmpty ? instruction : instruction + "\n\n" + input
        return opening + [ChatMessage(role: "user", content: text)]
    }

    /// The prompt of an instruction for models without a chat template.
    package static func plainPrompt(_ instruction: String, input: String, system: String?) -> String {
        let opening = system.map { $0 + "\n\n" } ?? ""
        let given = input.isEmpty ? "" : "### Input:\n\(input)\n\n"
        return opening + "### Instruction:\n\(instruction)\n\n\(given)### Response:\n"
    }

    private func completion(
        _ completion: String, after prompt: String, _ example: Example
    ) throws(InputError) -> TokenizedExample {
        let parts = tokenizer.encode(parts: [prompt, completion])
        return TokenizedExample([
            (tokenizer.withPrefix(parts[0]), false), (parts[1] + [try endOfText(example)], true),
        ])
    }

    private func endOfText(_ example: Example) throws(InputError) -> Int32 {
        if let id = tokenizer.specialTokens.endOfText ?? tokenizer.specialTokens.endOfTurn.first { return id }
        throw InputError(
            example.location,
            "the tokenizer names no token that ends a text, so the model could not learn to stop",
            advice: "Give the model's tokenizer_config.json an eos_token")
    }
}
