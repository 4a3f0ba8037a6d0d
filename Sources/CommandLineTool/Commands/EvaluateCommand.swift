// sparselora evaluate: how good a model is at a task.

internal import ArgumentParser
internal import SparseLoRA

struct EvaluateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "evaluate",
        abstract: "Scores a model on data with known answers.",
        discussion: """
              sparselora evaluate --model model.gguf --data test.jsonl
              sparselora evaluate --model model.gguf --adapter runs/first --data test.jsonl --records out.jsonl
              sparselora evaluate --model model.gguf --data valid.jsonl --task loss

            accuracy: the model answers every problem greedily; the number after "The answer is" (else the last
            number), or the option it names, must be the record's "answer". loss: mean loss and perplexity of the
            tokens that training would train.
            """)

    enum Task: String, ExpressibleByArgument, CaseIterable { case accuracy, loss }

    @OptionGroup var model: ModelOptions
    @Option(name: [.customShort("d"), .long], help: "A JSON Lines file of problems.") var data: String
    @Option(help: "accuracy or loss.") var task = Task.accuracy
    @Option(help: "Only the first so many problems.") var limit: Int?
    @Option(help: "Problems answered side by side, or sequences per batch.") var batchSize = 32
    @Option(help: "The most tokens of an answer.") var maxTokens = 128
    @Option(help: "Write every problem with the model's answer into this JSON Lines file.")
    var records: String?
    @Flag(help: "Print the scores as one JSON object.") var json = false

    func validate() throws {
        guard batchSize > 0, maxTokens > 0, limit ?? 1 > 0 else {
            throw ValidationError("--batch-size, --max-tokens and --limit must be at least 1")
        }
    }

    func run() throws {
        try reportingFailures {
            let model = try model.load()
            switch task {
            case .accuracy: try scoreAnswers(of: model)
            case .loss: try scoreLoss(of: model)
            }
        }
    }

    private func scoreAnswers(of model: LanguageModel) throws {
        var options = GenerationOptions()
        options.maximumTokens = maxTokens
        var progress = ProgressLine()
        let result = try model.accuracy(onFile: data, limit: limit, options: options, concurrent: batchSize) {
            progress.update(
                Double($0.count) / Double(max($1, 1)),
                "\($0.count) of \($1) problems, \(Format.percent($0.accuracy)) right so far")
        }
        progress.clear()
        if let records { try result.writeRecords(to: records) }
        if json {
            Output.line(result.summary.serialized())
        } else {
            Output.line(
                "accuracy \(Format.percent(result.accuracy)) ± \(Format.percent(result.standardError)) "
                    + "(\(result.correctCount) of \(result.count) right, "
                    + "\(result.unansweredCount) without an answer)")
        }
    }

    private func scoreLoss(of model: LanguageModel) throws {
        let result = try model.loss(onFile: data, batchSize: batchSize)
        if json {
            Output.line(result.summary.serialized())
        } else {
            Output.line(
                "loss \(Format.fixed(result.loss, 4)), perplexity \(Format.fixed(result.perplexity, 3)) "
                    + "over \(result.labelledTokens) tokens")
        }
    }
}
