// sparselora chat: a conversation on the terminal.

internal import ArgumentParser
internal import SparseLoRA

struct ChatCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "chat",
        abstract: "Talks with a model; answers appear as they are generated.",
        discussion: """
              sparselora chat --model model.gguf --adapter runs/first

            Each line is a message. /clear starts over, /undo takes the last exchange back, /quit or Ctrl-D ends.
            """)

    @OptionGroup var model: ModelOptions
    @OptionGroup var sampling: SamplingFlags
    @Option(help: "A system message that opens the conversation.") var system: String?

    func run() throws {
        try reportingFailures {
            let model = try model.load()
            guard model.chatTemplate != nil else {
                throw InputError(
                    model.path, "the model has no chat template, so it cannot hold a conversation",
                    advice: "Use generate --raw.")
            }
            Terminal.note(Terminal.dim("/clear starts over, /undo takes the last exchange back, /quit ends"))
            try converse(with: model)
        }
    }

    private func converse(with model: LanguageModel) throws {
        let opening = system.map { [ChatMessage(role: "system", content: $0)] } ?? []
        var messages = opening
        while true {
            Terminal.write(Terminal.bold("> "))
            guard let line = readLine() else { break }
            switch line.trimmingPrefix(while: \.isWhitespace) {
            case "": continue
            case "/quit", "/exit": return
            case "/clear":
                messages = opening
                continue
            case "/undo":
                messages.removeLast(min(2, messages.count - opening.count))
                continue
            default: break
            }
            messages.append(ChatMessage(role: "user", content: line))
            let tokens = try model.promptTokens(for: messages)
            let answer = try model.generate(tokens, options: sampling.options) { piece in
                Output.write(piece)
                return true
            }
            Output.write("\n")
            if answer.finishReason == .length {
                Terminal.note(
                    Terminal.dim("(cut at \(sampling.maxTokens) tokens; --max-tokens sets the limit)"))
            }
            messages.append(ChatMessage(role: "assistant", content: answer.text))
        }
        Terminal.write("\n")
    }
}
