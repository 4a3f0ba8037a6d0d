// The part of a run's data that its sparsity is measured on.

import ContextualSparsity
import FileSupport
import Models
import TensorEngine

/// The first batches of a run's data, to fit on, and the rows of many more, to count with.
struct SparsitySample {
    let batches: [Batch]
    /// Rows of the batches that predict no labelled token, the first of each sequence apart.
    let contextTokens: Int
    /// Of so many batches that they stand for the whole of the data, together.
    let rows: StepRows

    /// What operations are counted of.
    enum Work {
        /// Plain LoRA: every sequence computes every channel of every row.
        case plain
        /// A dense step of this program, which computes once what sequences share.
        case dense
        case under(SparsityPlan)
    }

    /// Takes batches until they have so many context tokens, or the data ends.
    init(_ examples: [TokenizedExample], options: BatchOptions, contextTokens wanted: Int) {
        var stream = BatchStream(examples, options: options)
        var batches: [Batch] = []
        var contextTokens = 0
        let limit = stream.batchCount(epoch: 0)
        while contextTokens < wanted, batches.count < limit {
            let batch = stream.next()
            contextTokens += max(0, batch.tokens.count - batch.labelledCount - batch.sequenceCount)
            batches.append(batch)
        }
        self.batches = batches
        self.contextTokens = contextTokens
        rows = StepRows(countedIn: examples, options: options)
    }

    /// Context tokens that are enough to fit on and a small part of the run.
    static func size(for examples: [TokenizedExample]) -> Int {
        let tokens = examples.reduce(0) { $0 + $1.tokens.count }
        return min(8192, max(2048, tokens / 32))
    }

    /// Whether a plan can be fitted on it, or has nothing to fit.
    ///
    /// - Parameters:
    ///   - plan: nil for one that is yet to be made.
    ///   - width: of the model: no map that is fitted has a higher rank.
    func isEnough(for plan: SparsityPlan?, width: Int) -> Bool {
        if let plan, plan.method != .calibrated || plan.feedForward.isEmpty && plan.attention.isEmpty {
            return plan.contextTokens == .all || contextTokens > 0 || plan.gradientShare < 1
                || plan.wordThreshold > 0
        }
        return contextTokens >= 4 * min((plan ?? SparsityPlan()).rank, width)
    }

    /// What to say where it is not.
    var tooFew: String {
        "\(contextTokens) context tokens in the sample of the data are too few to leave work out"
    }

    /// The share of the vocabulary whose gradient is left with a threshold, in the first batches and the untrained model;
    /// training makes it smaller.
    func wordShare(_ model: CausalLM, threshold: Double) throws(InputError) -> Double {
        let policy = WordThreshold(threshold)
        var (shares, rows) = (0.0, 0)
        for batch in batches.prefix(2) where batch.labelledCount > 0 {
            let loss = try model.loss(
                batch.sequences, labels: batch.labels, gradientScale: 1, on: Tape(backend: model.backend),
                policy: policy)
            shares += Double(batch.labelledCount) * loss.wordShare
            rows += batch.labelledCount
        }
        return rows > 0 ? (shares / Double(rows) * 10_000).rounded(.up) / 10_000 : 1
    }

    /// As the decoder takes them, rows with labels as output rows.
    var sequences: [PackedSequences] { batches.map { $0.sequences.scoring($0.labels) } }

    /// Operations of all counted examples together.
    func cost(_ shape: DecoderConfiguration, _ ranks: AdapterRanks, _ work: Work) -> StepCost {
        switch work {
        case .plain: StepCost(shape, adapters: ranks, rows: rows.unshared)
        case .dense: StepCost(shape, adapters: ranks, rows: rows)
        case .under(let plan): StepCost(shape, adapters: ranks, rows: rows, plan: plan)
        }
    }

    /// The same as one number; without a plan those of plain LoRA.
    func operations(_ shape: DecoderConfiguration, _ ranks: AdapterRanks, under plan: SparsityPlan?) -> Double
    {
        cost(shape, ranks, plan.map { .under($0) } ?? .plain).total
    }

    /// Operations of all counted examples together, in every way, for a plan.
    func costs(_ shape: DecoderConfiguration, _ ranks: AdapterRanks, under plan: SparsityPlan) -> PlanCosts {
        PlanCosts(
            plain: cost(shape, ranks, .plain), dense: cost(shape, ranks, .dense),
            sparse: cost(shape, ranks, .under(plan)), tokens: rows.tokenCount)
    }

    /// A small batch to compare passes on, with the tokens that its output rows should predict.
    ///
    /// Whole sequences, the last cut where a bound is reached: about `rowLimit` rows, and no more logits than the
    /// comparison can hold.
    func meterBatch(vocabularySize: Int, rowLimit: Int = 640) -> (batch: PackedSequences, targets: [Int32]) {
        // As many rows as have 32 million logits, 128 MB: 122 of 262,144 words.
        let outputLimit = max(16, min(256, 32_000_000 / vocabularySize))
        var sequences: [[Int32]] = []
        var outputRows: [Int32] = []
        var targets: [Int32] = []
        var rowCount = 0
        for batch in batches {
            let starts = batch.sequenceBoundaries.map { Int($0) }
            for (start, end) in zip(starts, starts.dropFirst()) {
                guard rowCount < rowLimit, outputRows.count < outputLimit else { break }
                let labelled = (start..<end).filter { batch.labels[$0] >= 0 }
                guard let last = labelled.prefix(outputLimit - outputRows.count).last else { continue }
                sequences.append(Array(batch.tokens[start...last]))
                for row in labelled where row <= last {
                    outputRows.append(Int32(rowCount + row - start))
                    targets.append(batch.labels[row])
                }
                rowCount += last + 1 - start
            }
        }
        return (PackedSequences(sequences, outputRows: outputRows), targets)
    }
}

extension StepRows {
    /// How many examples are counted: the answers of a few batches can be a tenth more or less.
    private static let countedExamples = 2048

    /// The rows of so many of a run's batches that they stand for all of its data.
    package init(countedIn examples: [TokenizedExample], options: BatchOptions) {
        var stream = BatchStream(examples, options: options)
        var batches: [StepRows] = []
        var count = 0
        for _ in 0..<stream.batchCount(epoch: 0) where count < Self.countedExamples {
            let batch = stream.next()
            batches.append(batch.rows)
            count += batch.sequenceCount
        }
        self.init(joining: batches)
    }
}

/// What a plan's steps cost beside those without it.
struct PlanCosts {
    let plain: StepCost
    let dense: StepCost
    let sparse: StepCost
    let tokens: Int

    /// Expected of sparse steps over dense ones of this program.
    var speedUp: Double { sparse.speedUp(over: dense) }
}

/// Leaves words out of the gradient and nothing else.
private final class WordThreshold: SparsityPolicy {
    let wordThreshold: Double
    let denseLeadingTokens = 0

    init(_ wordThreshold: Double) { self.wordThreshold = wordThreshold }
}

extension Batch {
    /// What its passes compute.
    var rows: StepRows { StepRows(sequences, labels: labels) }
}
