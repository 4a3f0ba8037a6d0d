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
        let session = ChatSession(model, system: system)
        while true {
            Terminal.write(Terminal.bold("> "))
            guard let line = readLine() else { break }
            switch line.trimmingPrefix(while: \.isWhitespace) {
            case "": continue
            case "/quit", "/exit": return
            case "/clear":
                session.clear()
                continue
            case "/undo":
                session.undo()
                continue
            default: break
            }
            let turn = try session.ask(line, options: sampling.options) { piece in
                Output.write(piece)
                return true
            }
            Output.write("\n")
            if turn.forgottenExchanges > 0 {
                Terminal.note(
                    Terminal.dim(
                        "(the oldest \(turn.forgottenExchanges) exchanges are forgotten: the model reads at most "
                            + "\(model.contextLength) tokens)"))
            }
            if turn.answer.finishReason == .length {
                Terminal.note(
                    Terminal.dim("(cut at \(turn.answer.tokenCount) tokens; --max-tokens sets the limit)"))
            }
        }
        Terminal.write("\n")
    }
}
