// How many problems a model solves, with every output kept.

public import FileSupport

/// One problem and what the model made of it.
public struct ProblemRecord: Equatable, Sendable {
    /// The problem's file and line.
    public var location: String
    /// The question as people would read it.
    public var prompt: String
    /// The generated text.
    public var output: String
    /// The right answer.
    public var expected: String
    /// The answer found in the output; nil when there is none.
    public var found: String?
    /// Whether it is right.
    public var isCorrect: Bool

    /// One line of a results file.
    public var json: JSONValue {
        .object(
            JSONObject([
                ("location", .string(location)), ("prompt", .string(prompt)), ("output", .string(output)),
                ("expected", .string(expected)), ("found", found.map { .string($0) } ?? .null),
                ("correct", .bool(isCorrect)),
            ]))
    }
}

/// The share of problems solved.
public struct AccuracyResult: Equatable, Sendable {
    /// Every problem, in order.
    public var records: [ProblemRecord]

    /// A result of these records.
    public init(records: [ProblemRecord]) { self.records = records }

    /// How many problems there were.
    public var count: Int { records.count }
    /// How many were solved.
    public var correctCount: Int { records.count { $0.isCorrect } }
    /// Outputs in which no answer was found.
    public var unansweredCount: Int { records.count { $0.found == nil } }
    /// Share solved, 0...1.
    public var accuracy: Double { count == 0 ? 0 : Double(correctCount) / Double(count) }

    /// The standard error of the accuracy as a sample of all such problems: sqrt(p (1 - p) / (n - 1)).
    public var standardError: Double {
        count < 2 ? 0 : (accuracy * (1 - accuracy) / Double(count - 1)).squareRoot()
    }

    /// The result without its records.
    public var summary: JSONValue {
        .object(
            JSONObject([
                ("accuracy", .number(accuracy)), ("standard_error", .number(standardError)),
                ("correct", .integer(correctCount)), ("unanswered", .integer(unansweredCount)),
                ("count", .integer(count)),
            ]))
    }

    /// Writes the records as JSON lines.
    ///
    /// - Throws: `InputError` when the file cannot be written.
    public func writeRecords(to path: String) throws(InputError) {
        var bytes: [UInt8] = []
        for record in records { bytes.append(contentsOf: (record.json.serialized() + "\n").utf8) }
        try AtomicFile.write(to: path, bytes: bytes)
    }
}

/// Asks a model every problem and scores its answers.
public struct AccuracyEvaluation {
    /// The problems, in the order of the results.
    public var problems: [EvaluationProblem]
    /// How many are asked together.
    public var batchSize: Int

    /// - Precondition: `batchSize` is positive.
    public init(_ problems: [EvaluationProblem], batchSize: Int = 8) {
        precondition(batchSize > 0, "AccuracyEvaluation: batches of \(batchSize)")
        self.problems = problems
        self.batchSize = batchSize
    }

    /// - Parameters:
    ///   - generate: gives one text for every prompt, in their order.
    ///   - onProgress: called after every batch with the result so far.
    /// - Throws: what `generate` throws.
    public func run(
        onProgress: (AccuracyResult) -> Void = { _ in },
        generate: (_ prompts: [EvaluationPrompt]) throws -> [String]
    ) rethrows -> AccuracyResult {
        var result = AccuracyResult(records: [])
        result.records.reserveCapacity(problems.count)
        for start in stride(from: 0, to: problems.count, by: batchSize) {
            let batch = problems[start..<min(start + batchSize, problems.count)]
            let outputs = try generate(batch.map(\.prompt))
            precondition(
                outputs.count == batch.count, "evaluation: \(outputs.count) texts for \(batch.count) prompts")
            for (problem, output) in zip(batch, outputs) {
                let found = problem.answer.extracted(from: output)
                result.records.append(
                    ProblemRecord(
                        location: problem.location, prompt: problem.prompt.description, output: output,
                        expected: problem.answer.text, found: found?.text,
                        isCorrect: problem.answer.matches(found)))
            }
            onProgress(result)
        }
        return result
    }
}
