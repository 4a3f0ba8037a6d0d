// What every step computed on, so that another program can repeat the run: sequences, labels, rate, loss.

internal import FileSupport

/// Writes how the optimizer is set on the first line, then one line for each step.
final class TrainingTrace {
    private let file: AppendedFile

    init(path: String, keptCount: Int, optimizer: OptimizerSection) throws(InputError) {
        file = try AppendedFile(path: path, keptCount: keptCount)
        guard keptCount == 0 else { return }
        let norm = optimizer.maxGradientNorm
        let settings = JSONObject([
            ("beta1", .number(optimizer.beta1)), ("beta2", .number(optimizer.beta2)),
            ("epsilon", .number(optimizer.epsilon)), ("weight_decay", .number(optimizer.weightDecay)),
            ("max_gradient_norm", norm > 0 ? .number(norm) : .null),
        ])
        try file.append(.object(JSONObject([("optimizer", .object(settings))])))
    }

    var position: Int { file.count }

    /// - Parameter batches: the step's micro-batches; their sequences stand in the record one after the other.
    func append(step: Int, loss: Double, learningRate: Double, batches: [Batch]) throws(InputError) {
        let sequences = batches.flatMap(\.sequencesWithLabels)
        try file.append(
            .object(
                JSONObject([
                    ("step", .integer(step)), ("loss", .number(loss)),
                    ("learning_rate", .number(learningRate)),
                    ("sequences", .array(sequences.map { Self.list($0.tokens) })),
                    ("labels", .array(sequences.map { Self.list($0.labels) })),
                ])))
    }

    private static func list(_ numbers: [Int32]) -> JSONValue { .array(numbers.map { .integer(Int($0)) }) }
}

extension Batch {
    /// Each sequence with labels as Hugging Face models take them: label i belongs to token i, not to the one before,
    /// and -100 marks tokens that are not trained.
    fileprivate var sequencesWithLabels: [(tokens: [Int32], labels: [Int32])] {
        (0..<sequenceCount).map { sequence in
            let range = Int(sequenceBoundaries[sequence])..<Int(sequenceBoundaries[sequence + 1])
            let targets = labels[range].map { $0 == Batch.unlabelled ? -100 : $0 }
            // The last trained token is a target here and no row of the batch.
            guard let last = targets.last, last >= 0 else {
                return (Array(tokens[range]), [-100] + targets.dropLast())
            }
            return (tokens[range] + [last], [-100] + targets)
        }
    }
}
