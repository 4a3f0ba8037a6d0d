// A policy that passes questions on and remembers what was answered.

import ContextualSparsity
import Models
import TensorEngine

/// Notes the channels that a policy keeps, and the rows that it is asked for.
final class PolicySpy: SparsityPolicy {
    private let policy: any SparsityPolicy
    /// Of the last pass, by layer and what is kept, e.g. `1.query`; ascending.
    private(set) var kept: [String: [Int32]] = [:]
    /// Context rows of the last question to a feed-forward network or attention, by layer.
    private(set) var contextRows: [Int: [Int32]] = [:]
    private(set) var questionCount = 0

    init(_ policy: any SparsityPolicy) { self.policy = policy }

    var denseLeadingTokens: Int { policy.denseLeadingTokens }
    var sparseOutputShare: Double { policy.sparseOutputShare }
    var allowsSharedPrefixes: Bool { policy.allowsSharedPrefixes }
    var gradientShare: Double { policy.gradientShare }
    var wordThreshold: Double { policy.wordThreshold }
    func prepare(step: Int) { policy.prepare(step: step) }

    func forget() { (kept, contextRows) = ([:], [:]) }

    func projections(
        layer: Int, input: Tensor, rows: RowPartition, on backend: any Backend
    ) -> ProjectionUses? {
        note(layer, rows, backend)
        let uses = policy.projections(layer: layer, input: input, rows: rows, on: backend)
        note(uses?.query, "\(layer).query", backend)
        note(uses?.key, "\(layer).key", backend)
        note(uses?.value, "\(layer).value", backend)
        return uses
    }

    func attentionOutput(
        layer: Int, input: Tensor, rows: RowPartition, on backend: any Backend
    ) -> ChannelUse? {
        let use = policy.attentionOutput(layer: layer, input: input, rows: rows, on: backend)
        note(use, "\(layer).output", backend)
        return use
    }

    func feedForward(layer: Int, input: Tensor, rows: RowPartition, on backend: any Backend) -> ChannelUse? {
        note(layer, rows, backend)
        let use = policy.feedForward(layer: layer, input: input, rows: rows, on: backend)
        note(use, "\(layer).feed_forward", backend)
        return use
    }

    private func note(_ layer: Int, _ rows: RowPartition, _ backend: any Backend) {
        questionCount += 1
        contextRows[layer] = backend.downloadIndices(rows.context)
    }

    private func note(_ use: ChannelUse?, _ name: String, _ backend: any Backend) {
        guard let selection = use?.selection else { return }
        kept[name] = backend.downloadIndices(selection.kept)
        let dropped = backend.downloadIndices(selection.dropped)
        precondition(
            dropped == HeadLayout.complement(of: kept[name] ?? [], below: selection.channelCount),
            "\(name): dropped channels are not the rest")
    }
}
