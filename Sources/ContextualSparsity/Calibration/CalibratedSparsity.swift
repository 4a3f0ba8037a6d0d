// The calibrated method: a dense look at a sample of the data decides what every block keeps.

package import FileSupport
package import Models
package import TensorEngine

/// Feed-forward networks whose context rows compute the channels that a calibration chose, refitted.
///
/// A function of model, sample and shares alone: a run that is resumed calibrates again and goes on bit for bit.
package final class CalibratedSparsity: SparsityPolicy {
    package let denseLeadingTokens = 1
    /// By layer; layers without an entry are dense.
    private let uses: [Int: ChannelUse]

    /// Runs the model densely over the sample, layer inputs recorded, and fits every layer that drops something.
    ///
    /// - Parameters:
    ///   - shares: by layer, the share of the feed-forward channels that is left out, in [0, 1).
    ///   - sample: batches whose output rows are those with labels.
    ///   - rowLimit: context rows that are looked at.
    ///   - onLayer: called after each layer's fit.
    /// - Throws: `InputError` when the sample has too few context rows to fit anything.
    package init(
        _ model: CausalLM, shares: [Int: Double], sample: [PackedSequences], rowLimit: Int = 4096,
        settings: FitSettings = FitSettings(), onLayer: (Int) -> Void = { _ in }
    ) throws(InputError) {
        let backend = model.backend
        // The last network computes rows with labels only: there is nothing to leave out.
        let layers = shares.filter { $0.value > 0 && $0.key < model.configuration.layerCount - 1 }
        let recorder = InputRecorder(
            layers: Set(layers.keys), leadingTokens: denseLeadingTokens, rowLimit: rowLimit)
        for batch in sample where !recorder.isFull {
            // Values only; whatever the tape would keep is not needed.
            _ = try model.hiddenStates(
                batch, on: Tape(backend: backend, isRecording: false), policy: recorder)
        }
        let smallest = 4 * settings.rank
        guard recorder.rowCount >= smallest else {
            throw InputError(
                "sparsity",
                "the sample has \(recorder.rowCount) context tokens, a calibration needs \(smallest)",
                advice:
                    "Sparsity leaves out work on prompts; with short prompts or few examples train without it."
            )
        }
        var uses: [Int: ChannelUse] = [:]
        for (layer, share) in layers.sorted(by: { $0.key < $1.key }) {
            let inputs = recorder.takeInputs(layer: layer, on: backend)
            let linears = model.linears(ofLayer: layer)
            let channels = Self.gated(inputs, linears, model.configuration.activation, on: backend)
            let kept = KeptChannels.count(of: channels.width, dropping: share)
            guard kept < channels.width else { continue }
            guard
                let fit = FeedForwardFit(
                    inputs: inputs, channels: channels, down: linears.down.weight, keptCount: kept,
                    settings: settings, on: backend)
            else {
                throw InputError(
                    "sparsity, layer \(layer)", "the sample does not determine the layer's statistics",
                    advice: "Calibrate on more tokens.")
            }
            uses[layer] = fit.use
            onLayer(layer)
        }
        self.uses = uses
    }

    /// The layers that leave something out.
    package var sparseLayers: [Int] { uses.keys.sorted() }

    /// Channels that a layer computes for context rows; nil for all.
    package func keptCount(layer: Int) -> Int? { uses[layer]?.selection?.kept.count }

    package func projections(
        layer: Int, input: Tensor, rows: RowPartition, on backend: any Backend
    ) -> ProjectionUses? { nil }

    package func attentionOutput(
        layer: Int, input: Tensor, rows: RowPartition, on backend: any Backend
    ) -> ChannelUse? { nil }

    package func feedForward(
        layer: Int, input: Tensor, rows: RowPartition, on backend: any Backend
    ) -> ChannelUse? { uses[layer] }

    /// h = activation(gate(x)) * up(x) of the frozen model, f32 [N, F].
    private static func gated(
        _ inputs: Tensor, _ linears: BlockLinears, _ activation: GateActivation, on backend: any Backend
    ) -> Tensor {
        let tape = Tape(backend: backend, isRecording: false)
        let values = tape.linears(
            Variable(inputs),
            [linears.gate, linears.up].map { LinearLayer($0.weight, bias: $0.bias) }
        ).map(\.value)
        let product = backend.makeTensor(rowCount: inputs.rowCount, width: values[0].width, type: .float32)
        backend.gate(activation, gate: values[0], up: values[1], into: product)
        return product
    }
}

/// Copies the feed-forward inputs of context rows while a pass runs densely.
private final class InputRecorder: SparsityPolicy {
    let denseLeadingTokens: Int
    private let layers: Set<Int>
    private let rowLimit: Int
    private var inputs: [Int: [Tensor]] = [:]

    init(layers: Set<Int>, leadingTokens: Int, rowLimit: Int) {
        self.layers = layers
        self.rowLimit = rowLimit
        denseLeadingTokens = leadingTokens
    }

    /// Rows recorded in every layer.
    var rowCount: Int { layers.map(count).min() ?? 0 }
    var isFull: Bool { rowCount >= rowLimit }

    private func count(layer: Int) -> Int { inputs[layer, default: []].reduce(0) { $0 + $1.rowCount } }

    /// All recorded rows of a layer, f32 [N, D]; they are forgotten here.
    func takeInputs(layer: Int, on backend: any Backend) -> Tensor {
        let pieces = inputs.removeValue(forKey: layer) ?? []
        let rowCount = pieces.reduce(0) { $0 + $1.rowCount }
        let result = backend.makeTensor(rowCount: rowCount, width: pieces.first?.width ?? 0, type: .float32)
        var start = 0
        for piece in pieces {
            backend.copy(piece, scale: 1, into: result.rows(start..<start + piece.rowCount))
            start += piece.rowCount
        }
        return result
    }

    func projections(
        layer: Int, input: Tensor, rows: RowPartition, on backend: any Backend
    ) -> ProjectionUses? { nil }

    func attentionOutput(
        layer: Int, input: Tensor, rows: RowPartition, on backend: any Backend
    ) -> ChannelUse? { nil }

    func feedForward(
        layer: Int, input: Tensor, rows: RowPartition, on backend: any Backend
    ) -> ChannelUse? {
        guard layers.contains(layer) else { return nil }
        let room = rowLimit - count(layer: layer)
        guard room > 0 else { return nil }
        // bf16 halves what the sample takes; the fit averages over thousands of rows.
        let copy = backend.makeTensor(rowCount: rows.context.count, width: input.width, type: .bfloat16)
        backend.gatherRows(of: input, indices: rows.context, scale: 1, into: copy)
        inputs[layer, default: []].append(copy.rows(0..<min(room, copy.rowCount)))
        return nil
    }
}
