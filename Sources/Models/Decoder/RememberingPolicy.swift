// A policy's answers of one pass, for blocks that run again in the backward pass.

import TensorEngine

/// Asks a policy once for each block and gives the same answers when the block runs again.
///
/// Choosing channels takes time, and a policy may count on being asked in the order of the layers.
final class RememberingPolicy: SparsityPolicy {
    private let policy: any SparsityPolicy
    // By layer; the policy's answer may be nil.
    private var projections: [Int: ProjectionUses?] = [:]
    private var attentionOutputs: [Int: ChannelUse?] = [:]
    private var feedForwards: [Int: ChannelUse?] = [:]

    init(_ policy: any SparsityPolicy) { self.policy = policy }

    var denseLeadingTokens: Int { policy.denseLeadingTokens }
    var sparseOutputShare: Double { policy.sparseOutputShare }
    var allowsSharedPrefixes: Bool { policy.allowsSharedPrefixes }
    var gradientShare: Double { policy.gradientShare }
    var wordThreshold: Double { policy.wordThreshold }

    func projections(
        layer: Int, input: Tensor, rows: RowPartition, on backend: any Backend
    ) -> ProjectionUses? {
        Self.remembered(layer, in: &projections) {
            policy.projections(layer: layer, input: input, rows: rows, on: backend)
        }
    }

    func attentionOutput(
        layer: Int, input: Tensor, rows: RowPartition, on backend: any Backend
    ) -> ChannelUse? {
        Self.remembered(layer, in: &attentionOutputs) {
            policy.attentionOutput(layer: layer, input: input, rows: rows, on: backend)
        }
    }

    func feedForward(
        layer: Int, input: Tensor, rows: RowPartition, on backend: any Backend
    ) -> ChannelUse? {
        Self.remembered(layer, in: &feedForwards) {
            policy.feedForward(layer: layer, input: input, rows: rows, on: backend)
        }
    }

    private static func remembered<Answer>(
        _ layer: Int, in answers: inout [Int: Answer?], ask: () -> Answer?
    ) -> Answer? {
        if let known = answers[layer] { return known }
        let answer = ask()
        answers.updateValue(answer, forKey: layer)
        return answer
    }
}
