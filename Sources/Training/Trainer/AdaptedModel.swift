// A language model with its adapter, as the trainer sees it.

package import Adapters
internal import ContextualSparsity
package import FileSupport
package import Models
package import TensorEngine

/// A frozen model and the low-rank pairs installed in it.
package final class AdaptedModel: TrainableModel {
    package let model: CausalLM
    package let adapters: AdapterSet
    /// What passes of sparse steps leave out; nil trains densely. Evaluation is always dense.
    package var sparsity: TrainingSparsity?
    /// Whether training passes run their blocks again in the backward pass instead of keeping what is in them.
    package var checkpointsActivations = false
    /// What the adapter's files call the model that they belong to.
    private let baseModel: String

    package init(_ model: CausalLM, adapters: AdapterSet, baseModel: String) {
        self.model = model
        self.adapters = adapters
        self.baseModel = baseModel
    }

    /// Installs a fresh adapter in the model.
    ///
    /// - Throws: `InputError` when a target matches no layer, or the model has an adapter.
    package convenience init(
        _ model: CausalLM, configuration: TrainingConfiguration
    ) throws(InputError) {
        let adapters = try AdapterSet.install(
            LoRAConfiguration(configuration.adapter), into: model, seed: configuration.seed)
        self.init(model, adapters: adapters, baseModel: configuration.model)
        checkpointsActivations = configuration.activationCheckpointing
    }

    package var parameters: [Parameter] { adapters.parameters }

    package func loss(
        _ batch: Batch, gradientScale: Float, on tape: Tape, dropoutSeed: UInt64
    ) throws(InputError) -> LossResult {
        try model.loss(
            batch.sequences, labels: batch.labels, gradientScale: gradientScale, on: tape,
            dropoutSeed: dropoutSeed, policy: tape.isRecording ? sparsity?.activePolicy : nil,
            checkpointing: checkpointsActivations)
    }

    package func refit(
        step: Int, of total: Int, onProgress: (PlanningProgress) -> Void
    ) throws(InputError) -> Bool {
        try sparsity?.refit(step: step, of: total, onProgress: onProgress) ?? false
    }

    package func prepare(step: Int, of total: Int) { sparsity?.prepare(step: step, of: total) }

    package func sparsity(of batches: [Batch]) -> StepSparsity? { sparsity?.cost(of: batches) }

    package func probe(_ batch: Batch, step: Int) throws(InputError) -> SparsityProbe? {
        try sparsity?.probe(batch, step: step)
    }

    package var sparsityProgress: SparsityProgress? { sparsity?.progress }

    package var fittedParameters: [Tensor]? { sparsity?.fittedParameters }

    package func sparsityReport(step: Int) -> SparsityReport? { sparsity?.report(step: step) }

    package func writeRunFiles(to folder: String) throws(InputError) {
        try sparsity?.plan.write(to: "\(folder)/\(RunFolder.sparsityPlanName)")
    }

    package func saveAdapter(to folder: String) throws(InputError) {
        try adapters.save(to: folder, model: model, baseModel: baseModel)
    }
}

extension Batch {
    /// As the decoder takes it.
    package var sequences: PackedSequences { PackedSequences(tokens: tokens, starts: sequenceBoundaries) }
}

extension CausalLM: ScorableModel {
    package func loss(
        _ batch: Batch, gradientScale: Float, on tape: Tape, dropoutSeed: UInt64
    ) throws(InputError) -> LossResult {
        try loss(
            batch.sequences, labels: batch.labels,
            gradientScale: gradientScale, on: tape, dropoutSeed: dropoutSeed)
    }
}

extension LoRAConfiguration {
    /// The adapter that a training configuration describes.
    package init(_ section: AdapterSection) {
        let layers: Layers = section.layers.map { .only($0) } ?? section.lastLayers.map { .last($0) } ?? .all
        self.init(
            rank: section.rank, alpha: section.alpha, dropout: section.dropout,
            targets: Self.targets(section.targets), layers: layers,
            rankPattern: section.rankPattern.entries.map { .init($0.pattern, $0.value) },
            alphaPattern: section.alphaPattern.entries.map { .init($0.pattern, $0.value) },
            rankStabilised: section.rankStabilised)
    }

    /// PEFT tells names from a pattern by list or string; a configuration has a list, so one entry with a character
    /// that no module name has is a pattern.
    private static func targets(_ targets: [String]) -> Targets {
        if targets == ["all-linear"] { return .allLinear }
        if targets.count == 1, targets[0].contains(where: { "*+?()[]{}|^$\\".contains($0) }) {
            return .matching(targets[0])
        }
        return .named(targets)
    }
}
