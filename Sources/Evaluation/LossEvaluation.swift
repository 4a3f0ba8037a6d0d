// How well a model predicts a data set's labelled tokens.

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif
public import FileSupport
package import TensorEngine
package import Training

/// The loss of a data set.
public struct DatasetLoss: Equatable, Sendable {
    /// Mean over labelled tokens, in nats.
    public var loss: Double
    /// The standard error of the mean, tokens taken as independent.
    public var standardError: Double
    /// Labelled tokens.
    public var labelledTokens: Int
    /// Examples.
    public var examples: Int

    /// e to the loss.
    public var perplexity: Double { exp(loss) }

    /// The result as JSON.
    public var summary: JSONValue {
        .object(
            JSONObject([
                ("loss", .number(loss)), ("standard_error", .number(standardError)),
                ("perplexity", .number(perplexity)), ("labelled_tokens", .integer(labelledTokens)),
                ("examples", .integer(examples)),
            ]))
    }
}

/// Scores examples without training on them.
package enum LossEvaluation {
    /// - Parameter onProgress: called after every batch with the number of examples done.
    /// - Throws: `InputError` when a token is not in the model's vocabulary, or no token has a label.
    package static func run(
        _ model: some ScorableModel, _ examples: [TokenizedExample], batchSize: Int, backend: any Backend,
        location: String, onProgress: (_ done: Int) -> Void = { _ in }
    ) throws(InputError) -> DatasetLoss {
        var sum = 0.0
        var squares = 0.0
        var count = 0
        for start in stride(from: 0, to: examples.count, by: batchSize) {
            let end = min(start + batchSize, examples.count)
            let batch = Batch(examples, indices: Array(start..<end))
            if batch.labelledCount > 0 {
                let tape = Tape(backend: backend, isRecording: false)
                let result = try model.loss(batch, gradientScale: 0, on: tape, dropoutSeed: 0)
                sum += result.sum
                squares += result.rowLosses.reduce(0) { $0 + Double($1) * Double($1) }
                count += batch.labelledCount
            }
            onProgress(end)
        }
        guard count > 0 else { throw InputError(location, "no token of the data set has a label") }
        let mean = sum / Double(count)
        let variance = max(0, squares / Double(count) - mean * mean)
        return DatasetLoss(
            loss: mean, standardError: (variance / Double(count)).squareRoot(), labelledTokens: count,
            examples: examples.count)
    }
}
