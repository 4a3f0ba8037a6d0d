// Scores of a model on data with known answers.

public import Evaluation
public import FileSupport
internal import Models
internal import Tokenization
public import Training

extension LanguageModel {
    /// Lets the model answer every problem of a data file and counts the right ones.
    ///
    /// - Parameters:
    ///   - path: records with a prompt and an `answer`, or a reference output that ends in a number.
    ///   - limit: the first so many problems; nil for all.
    ///   - options: how answers are generated; by default greedily, 256 tokens at most.
    ///   - concurrent: problems that are answered side by side.
    ///   - onProgress: called after every group of problems with the result so far and the number of problems.
    /// - Throws: `InputError` with the line of a record that is no problem.
    public func accuracy(
        onFile path: String, limit: Int? = nil, options: GenerationOptions = GenerationOptions(),
        concurrent: Int = 32, onProgress: (AccuracyResult, _ total: Int) -> Void = { _, _ in }
    ) throws -> AccuracyResult {
        let problems = try EvaluationProblem.read(path, limit: limit)
        return try AccuracyEvaluation(problems, batchSize: concurrent).run(
            onProgress: { onProgress($0, problems.count) },
            generate: { prompts in
                let tokens = try prompts.map { prompt in try self.tokens(of: prompt) }
                return try generate(batch: tokens, options: options, concurrent: concurrent).map(\.text)
            })
    }

    /// The mean loss over the trained tokens of a data file, and with it the perplexity.
    ///
    /// - Throws: `InputError` with the line of a record that cannot be used.
    public func loss(
        onFile path: String, data: DataSection = DataSection(), batchSize: Int = 8
    ) throws(InputError) -> DatasetLoss {
        let encoder = ExampleEncoder(
            tokenizer: tokenizer, template: chatTemplate, options: DatasetOptions(data))
        let dataset = try Dataset(path: path, encoder: encoder)
        return try LossEvaluation.run(
            decoder, dataset.examples, batchSize: batchSize, backend: decoder.backend, location: path)
    }

    private func tokens(of prompt: EvaluationPrompt) throws(InputError) -> [Int32] {
        switch prompt {
        case .text(let text): return tokenizer.encodeBeginning(text)
        case .chat(_, let plainText?) where chatTemplate == nil:
            return tokenizer.encodeBeginning(plainText)
        case .chat(let conversation, _): return try promptTokens(for: conversation)
        }
    }
}
