// sparselora generate: answers to prompts.

internal import ArgumentParser
internal import SparseLoRA

struct GenerateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "generate",
        abstract: "Generates text for one prompt or a file of prompts.",
        discussion: """
            A prompt is asked through the model's chat template; --raw continues it as plain text.

              sparselora generate --model model.gguf --prompt "How many legs have three cats?"
              sparselora generate --model model.gguf --adapter runs/first --prompts questions.jsonl --json

            A file holds one JSON object a line, with "messages" (an assistant's last turn is left out), "prompt" or
            "instruction". With --json each answer is one line: {"index", "text", "tokens", "finish_reason"}.
            """)

    @OptionGroup var model: ModelOptions
    @OptionGroup var sampling: SamplingFlags

    @Option(name: [.customShort("p"), .long], help: "The prompt.") var prompt: String?
    @Option(help: "A JSON Lines file of prompts.") var prompts: String?
    @Option(help: "A system message for --prompt.") var system: String?
    @Flag(help: "Continue the prompt as it is, without the chat template.") var raw = false
    @Flag(help: "Print one JSON object per answer.") var json = false
    @Option(help: "Prompts that are generated side by side.") var batchSize = 32

    func validate() throws {
        guard (prompt == nil) != (prompts == nil) else {
            throw ValidationError("Give either --prompt TEXT or --prompts FILE.")
        }
        guard batchSize > 0 else { throw ValidationError("--batch-size must be at least 1") }
    }

    func run() throws {
        try reportingFailures {
            let model = try model.load()
            if let prompt {
                try answer(prompt, with: model)
            } else if let prompts {
                try answerFile(prompts, with: model)
            }
        }
    }

    private func answer(_ prompt: String, with model: LanguageModel) throws {
        var messages = [ChatMessage(role: "user", content: prompt)]
        if let system { messages.insert(ChatMessage(role: "system", content: system), at: 0) }
        let tokens =
            raw || model.chatTemplate == nil
            ? model.tokenizer.encode(prompt, addSpecialTokens: true) : try model.promptTokens(for: messages)
        let answer = try model.generate(tokens, options: sampling.options) { piece in
            if !json { Output.write(piece) }
            return true
        }
        if json { Output.line(Self.line(answer, index: 0)) } else { Output.write("\n") }
    }

    private func answerFile(_ path: String, with model: LanguageModel) throws {
        let prompts = try model.prompts(fromFile: path, raw: raw)
        var progress = ProgressLine()
        var done = 0
        while done < prompts.count {
            let batch = Array(prompts[done..<min(done + batchSize, prompts.count)])
            progress.update(Double(done) / Double(prompts.count), "\(done) of \(prompts.count) prompts")
            let answers = try model.generate(batch: batch, options: sampling.options)
            progress.clear()
            for (offset, answer) in answers.enumerated() {
                Output.line(json ? Self.line(answer, index: done + offset) : answer.text)
            }
            done += batch.count
        }
    }

    private static func line(_ answer: GeneratedText, index: Int) -> String {
        JSONValue.object(
            JSONObject([
                ("index", .integer(index)), ("text", .string(answer.text)),
                ("prompt_tokens", .integer(answer.promptTokenCount)), ("tokens", .integer(answer.tokenCount)),
                ("finish_reason", .string(answer.finishReason.rawValue)),
            ])
        ).serialized()
    }
}
