// What a run records about its sparsity.

/// What one step cost, and what it would have cost densely.
public struct StepSparsity: Codable, Sendable, Equatable {
    /// Whether the step left anything out.
    public var isSparse: Bool
    /// Share of the rows that ran sparse.
    public var contextShare: Double
    /// Floating-point operations of the step.
    public var flops: Double
    /// Operations that a dense step on the same batches takes.
    public var denseFlops: Double
    /// Those of plain LoRA: a dense step that does not compute once what the batch's sequences share.
    public var plainFlops: Double
}

/// One batch run dense and sparse with the same adapters.
public struct SparsityProbe: Codable, Sendable, Equatable {
    /// One layer of the feed-forward networks.
    public struct Layer: Codable, Sendable, Equatable {
        /// The layer's number.
        public var layer: Int
        /// Channels that context rows compute.
        public var kept: Int
        /// Share of them that an oracle would have kept for this batch.
        public var overlap: Double
    }

    /// Steps done before it.
    public var step: Int
    /// Mean loss of the batch.
    public var denseLoss: Double
    /// The same with sparse context rows.
    public var sparseLoss: Double
    /// Standard error of `gap`: how much other tokens would move it.
    public var gapError: Double
    /// Every layer that chooses channels.
    public var layers: [Layer]
    /// What the stop rule did: the factor by which the plan's shares are scaled from now on, nil when nothing changed.
    public var newScale: Double?

    /// Rise of the loss, relative to dense.
    public var gap: Double { denseLoss > 0 ? sparseLoss / denseLoss - 1 : 0 }
    /// Mean over the layers.
    public var overlap: Double? {
        layers.isEmpty ? nil : layers.reduce(0) { $0 + $1.overlap } / Double(layers.count)
    }
}

/// A plan fitted again during the run, to the model as its adapter had made it.
public struct SparsityRefit: Codable, Sendable, Equatable {
    /// Steps done before it.
    public var step: Int
    /// Wall-clock seconds.
    public var seconds: Double
}

/// Speed of sparse steps against the dense ones of the same run.
public struct SparsitySummary: Codable, Sendable, Equatable {
    /// Share of plain LoRA's operations that sparse steps took.
    public var flopShare: Double
    /// What operations predict of the speed of sparse steps over dense ones.
    public var expectedSpeedUp: Double
    /// Dense operations done in a second of sparse steps, against those in a second of dense steps, medians of both; nil
    /// when the run had too few of either to tell.
    public var realisedSpeedUp: Double?
}

/// Adds up operations of sparse steps and compares their speed with that of dense ones.
struct SpeedComparison {
    /// Fewer steps than this say nothing: the first ones fill caches and pools.
    private static let leastSteps = 3

    /// Of the sparse steps.
    private var flops = 0.0
    private var denseFlops = 0.0
    private var plainFlops = 0.0
    /// What a dense step computes, in a second of every step.
    private var denseRates: [Double] = []
    private var sparseRates: [Double] = []

    mutating func add(_ step: StepSparsity, seconds: Double) {
        let rate = step.denseFlops / seconds
        guard step.isSparse else {
            denseRates.append(rate)
            return
        }
        sparseRates.append(rate)
        flops += step.flops
        denseFlops += step.denseFlops
        plainFlops += step.plainFlops
    }

    /// Nil when no step was sparse. Speeds are medians: a run that was suspended, or had to share the machine for some of
    /// its steps, still says what a step gains.
    var summary: SparsitySummary? {
        guard flops > 0 else { return nil }
        var realised: Double?
        if denseRates.count >= Self.leastSteps, sparseRates.count >= Self.leastSteps {
            realised = Self.median(sparseRates) / Self.median(denseRates)
        }
        return SparsitySummary(
            flopShare: flops / plainFlops, expectedSpeedUp: denseFlops / flops, realisedSpeedUp: realised)
    }

    private static func median(_ values: [Double]) -> Double {
        let sorted = values.sorted()
        return (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
    }
}
