// Plans as YAML that a person can read and edit.

public import FileSupport

extension SparsityPlan {
    /// Writes the plan as YAML with comments, atomically.
    ///
    /// - Throws: `InputError` when the file cannot be written.
    public func write(to path: String) throws(InputError) {
        try AtomicFile.write(to: path, text: yaml)
    }

    /// The plan as YAML with comments. Reading it gives an equal plan, shares of 0 aside.
    public var yaml: String {
        typealias Keys = SparsityPlanKeys
        var lines = [
            "# Contextual sparsity for training: channels that blocks leave out for context tokens.",
            "# Evaluation, generation and merging are always dense.",
            "",
            "# How channels are chosen: calibrated (once, from a sample of the data; fitted stand-ins make up for the",
            "# others), paper (for each batch, from singular value decompositions; the others count as zero), or to",
            "# compare with: random, norm, oracle, wanda.",
            "\(Keys.method): \(method.rawValue)",
            "",
            "# Share of channels left out, from 0 to below 1, by layer (7, 3-28 or \"3-5, 8\"). Layers not listed are dense.",
            "# Of attention, calibrated leaves out a share of the operations; what it keeps are multiples of 32.",
        ]
        lines += Self.lines(Keys.feedForward, feedForward)
        lines += Self.lines(Keys.attention, attention)
        lines += [
            "",
            "# Rank of the estimate by which channels are chosen, and replaced where the method does that.",
            "\(Keys.rank): \(rank)",
            "",
            "# Sparse from start_step to before end_step: up to 1 a fraction of the run's steps, above 1 a step. At the",
            "# end, dense steps make the adapter fit the dense model again.",
            "\(Keys.startStep): \(Self.text(startStep.value))",
            "\(Keys.endStep): \(Self.text(endStep.value))",
            "",
            "# Which tokens run sparse: labels (those that are not answers) or all.",
            "\(Keys.contextTokens): \(contextTokens.rawValue)",
            "# Tokens at the start of each sequence that stay dense; calibrated keeps at least one.",
            "\(Keys.denseSinkTokens): \(denseSinkTokens)",
            "# Share of the answer tokens that runs sparse all the same.",
            "\(Keys.sparseOutputShare): \(Self.text(sparseOutputShare))",
            "",
            "# Adapters of gate, up and down: channel_masked (they see the kept channels only) or dense.",
            "\(Keys.feedForwardAdapters): \(feedForwardAdapters.rawValue)",
            "# Share of all tokens whose gradients go through a layer, in each those with the largest; the others' pass it",
            "# by and train only the adapters of key and value projections. 1 for exact gradients.",
            "\(Keys.gradientShare): \(Self.text(gradientShare))",
            "# Words that no answer token of a batch finds so probable have no part in the gradient; 0 for an exact one.",
            "\(Keys.wordThreshold): \(Self.text(wordThreshold))",
            "# Choose query and key channels in the pairs that rotary positions turn (not calibrated, which chooses none).",
            "\(Keys.pairAware): \(pairAware)",
        ]
        if let fingerprint {
            let text = JSONValue.string(fingerprint).serialized()
            lines += ["", "# The model that this was measured on.", "\(Keys.fingerprint): \(text)"]
        }
        if wordThreshold > 0 {
            lines += [
                "",
                "# The share of the vocabulary that word_threshold leaves, as measured: for the count of FLOPs.",
                "\(Keys.wordShare): \(Self.text(wordShare))",
            ]
        }
        if flopShare != nil || predictedLossRise != nil {
            lines += [
                "",
                "# For information: FLOPs of a step, relative to plain LoRA, and rise of the loss, relative to dense.",
            ]
        }
        if let flopShare { lines.append("\(Keys.flopShare): \(Self.text(flopShare))") }
        if let predictedLossRise {
            lines.append("\(Keys.predictedLossRise): \(Self.text(predictedLossRise))")
        }
        if let predictedTrainingRise {
            lines += [
                "# The rise of the held-out loss that training is expected to end with, by that and by missing gradients.",
                "\(Keys.predictedTrainingRise): \(Self.text(predictedTrainingRise))",
            ]
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func lines(_ key: String, _ shares: [Int: Double]) -> [String] {
        let ranges = SparsityPlanShares.ranges(shares)
        guard !ranges.isEmpty else { return ["\(key): {}"] }
        return ["\(key):"]
            + ranges.map { layers, share in
                let (first, last) = (layers.lowerBound, layers.upperBound)
                return "  \(first == last ? "\(first)" : "\(first)-\(last)"): \(text(share))"
            }
    }

    /// Whole numbers without a fraction, others in the shortest form that reads back the same.
    private static func text(_ number: Double) -> String {
        Int(exactly: number).map { "\($0)" } ?? "\(number)"
    }
}
