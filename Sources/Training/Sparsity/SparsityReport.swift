// What a run's sparse steps leave out and what they cost: a record of metrics.jsonl.

internal import ContextualSparsity

/// What sparse steps leave out from some step on, and what they cost.
public struct SparsityReport: Codable, Sendable, Equatable {
    /// One layer.
    public struct Layer: Codable, Sendable, Equatable {
        /// The layer's number.
        public var layer: Int
        /// Share of the feed-forward channels that context tokens leave out.
        public var feedForward: Double
        /// Feed-forward channels that they compute.
        public var keptChannels: Int
        /// Share of the attention projections that they leave out: of channels, or, with method calibrated, of operations.
        public var attention: Double
    }

    /// A part of a step's operations, in millions of floating-point operations a token.
    public struct Part: Codable, Sendable, Equatable {
        /// Such as `frozen forward`.
        public var name: String
        /// In plain LoRA, where every sequence computes everything.
        public var plain: Double
        /// In dense steps of this program.
        public var dense: Double
        /// In sparse steps.
        public var sparse: Double
    }

    /// Steps done before it.
    public var step: Int
    /// By what the plan's shares were multiplied; 0 where the stop rule has ended sparsity.
    public var scale: Double
    /// The layers that leave something out.
    public var layers: [Layer]
    /// Share of the rows whose gradients go through a layer.
    public var gradientShare: Double
    /// The probability below which words have no part in the gradient.
    public var wordThreshold: Double
    /// Every part.
    public var operations: [Part]
}

extension [SparsityReport.Part] {
    init(_ costs: PlanCosts) {
        func perToken(_ operations: Double) -> Double {
            (operations / Double(Swift.max(1, costs.tokens)) / 1e4).rounded() / 100
        }
        self = zip(costs.plain.parts, zip(costs.dense.parts, costs.sparse.parts)).map { plain, others in
            SparsityReport.Part(
                name: plain.name, plain: perToken(plain.operations), dense: perToken(others.0.operations),
                sparse: perToken(others.1.operations))
        }
    }

    /// For people.
    package var line: String {
        "MFLOP a token, dense and sparse: "
            + map { "\($0.name) \(Int($0.dense.rounded())), \(Int($0.sparse.rounded()))" }.joined(
                separator: "; ")
    }
}
