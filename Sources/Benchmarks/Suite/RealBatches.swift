// Batches of real data, written to a file that both sides of a comparison read.

internal import ChatTemplates
internal import FileSupport
internal import Foundation
internal import Models
internal import SparseLoRA
internal import Training

/// Batches of a training file in random order: sequences of mixed lengths, prompts masked.
struct RealBatches {
    let path: String
    /// Batches after the first, which is small and warms up.
    let count: Int
    /// Batches of the whole epoch.
    let epochCount: Int
    let tokens: Int

    /// - Parameters:
    ///   - share: of the file's examples, taken at random.
    ///   - limit: the most batches; nil for the whole epoch.
    static func write(
        of data: String, model: String, batchSize: Int, share: Double = 1, limit: Int?, to path: String
    ) throws -> RealBatches {
        let language = try LanguageModel(path: model)
        let encoder = ExampleEncoder(
            tokenizer: language.tokenizer, template: language.chatTemplate,
            options: DatasetOptions(DataSection()))
        let examples = try Dataset(path: data, encoder: encoder).examples
        var random = SeededGenerator(seed: 0)
        let order = random.shuffled(Array(examples.indices))
        let kept = order.prefix(Int((Double(order.count) * share).rounded()))
        var batches = stride(from: 0, to: kept.count, by: batchSize).map {
            Array(kept[$0..<min($0 + batchSize, kept.count)])
        }
        let epochCount = batches.count
        if let limit { batches = Array(batches.prefix(limit)) }
        guard let first = batches.first else { throw InputError(data, "there are no examples in it") }
        let lines = ([Array(first.prefix(4))] + batches).map { batch in
            let sequences = batch.map { examples[$0].tokens.map(String.init).joined(separator: ",") }
            let trained = batch.map { examples[$0].isLabelled.map { $0 ? "1" : "0" }.joined(separator: ",") }
            return "{\"sequences\":[\(sequences.map { "[\($0)]" }.joined(separator: ","))],"
                + "\"trained\":[\(trained.map { "[\($0)]" }.joined(separator: ","))]}\n"
        }
        try AtomicFile.write(to: path, text: lines.joined())
        return RealBatches(
            path: path, count: batches.count, epochCount: epochCount,
            tokens: batches.joined().reduce(0) { $0 + examples[$1].count })
    }
}
