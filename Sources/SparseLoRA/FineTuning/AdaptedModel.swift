// A decoder with its adapters, as the trainer sees it.

internal import Adapters
internal import FileSupport
internal import Models
internal import TensorEngine
internal import Training

final class AdaptedModel: TrainableModel {
    let adapter: AdapterSet
    private let decoder: CausalLM
    private let baseModel: String

    init(decoder: CausalLM, adapter: AdapterSet, baseModel: String) {
        self.decoder = decoder
        self.adapter = adapter
        self.baseModel = baseModel
    }

    var parameters: [Parameter] { adapter.parameters }

    func loss(
        _ batch: Batch, gradientScale: Float, on tape: Tape, dropoutSeed: UInt64
    ) throws(InputError) -> LossResult {
        try decoder.loss(
            PackedSequences(tokens: batch.tokens, starts: batch.sequenceBoundaries), labels: batch.labels,
            gradientScale: gradientScale, on: tape, dropoutSeed: dropoutSeed)
    }

    func saveAdapter(to folder: String) throws(InputError) {
        try adapter.save(to: folder, model: decoder, baseModel: baseModel)
    }
}

extension LoRAConfiguration {
    /// What the adapter section of a run's configuration says.
    init(_ section: AdapterSection) {
        let targets: Targets =
            switch section.targets {
            case ["all-linear"]: .allLinear
            case let names where names.count == 1 && names.allSatisfy(Self.isPattern): .matching(names[0])
            default: .named(section.targets)
            }
        let layers: Layers =
            section.lastLayers.map { .last($0) } ?? section.layers.map { .only($0) } ?? .all
        self.init(
            rank: section.rank, alpha: section.alpha, dropout: section.dropout, targets: targets, layers: layers,
            rankPattern: section.rankPattern.sorted { $0.key < $1.key }.map { ModuleOverride($0.key, $0.value) },
            alphaPattern: section.alphaPattern.sorted { $0.key < $1.key }.map { ModuleOverride($0.key, $0.value) },
            rankStabilised: section.rankStabilized)
    }

    /// Module names hold letters, digits, "_" and "."; anything else makes a text a regular expression.
    private static func isPattern(_ text: String) -> Bool {
        !text.allSatisfy { $0.isLetter || $0.isNumber || $0 == "_" || $0 == "." || $0 == "-" }
    }
}
