// One transformer block. T rows come in; the rows asked for come out: all of them except in the last block.

import FileSupport
import TensorEngine

/// x + attention(norm(x)), then x + feedForward(norm(x)), with norms where the family has them.
final class DecoderBlock {
    let attention: SelfAttention
    let feedForward: FeedForward
    private let inputNorm: Normalization?
    private let feedForwardNorm: Normalization?
    /// Of families that normalise each result before it joins the residual.
    private let attentionResultNorm: Normalization?
    private let feedForwardResultNorm: Normalization?
    private let residualScale: Float

    init(_ weights: ScopedWeights, layer: Int, _ configuration: DecoderConfiguration) throws(InputError) {
        func norm(_ name: String) throws(InputError) -> Normalization {
            try Normalization(weights.scoped(name), count: configuration.width, configuration)
        }
        attention = try SelfAttention(weights.scoped("self_attn"), layer: layer, configuration)
        feedForward = try FeedForward(weights.scoped("mlp"), layer: layer, configuration)
        residualScale = configuration.residualScale
        let placement = configuration.normPlacement
        inputNorm = placement == .after ? nil : try norm("input_layernorm")
        // The same Hugging Face name means the norm before the feed-forward block or the one after attention.
        if placement == .before {
            feedForwardNorm = try norm("post_attention_layernorm")
            attentionResultNorm = nil
            feedForwardResultNorm = nil
        } else {
            feedForwardNorm = placement == .after ? nil : try norm("pre_feedforward_layernorm")
            attentionResultNorm = try norm("post_attention_layernorm")
            feedForwardResultNorm = try norm("post_feedforward_layernorm")
        }
    }

    var linears: [Linear] { attention.linears + feedForward.linears }

    func callAsFunction(_ x: Variable, _ pass: ForwardPass, queries: QueryRows) -> Variable {
        let (middle, fed) = addends(x, pass, queries: queries)
        return pass.tape.add(middle, fed)
    }

    /// The same, keeping x alone for the backward pass, which runs the block again.
    func checkpointed(_ x: Variable, _ pass: ForwardPass, queries: QueryRows) -> Variable {
        pass.tape.checkpointedSum(x) { x, tape, isSecondRun in
            self.addends(x, pass.on(tape), queries: queries, isSecondRun: isSecondRun)
        }
    }

    /// The residual stream after attention, and what the feed-forward network adds to it.
    private func addends(
        _ x: Variable, _ pass: ForwardPass, queries: QueryRows, isSecondRun: Bool = false
    ) -> (Variable, Variable) {
        let tape = pass.tape
        let attended = attention(inputNorm?(x, on: tape) ?? x, pass, queries: queries)
        let residual = queries.selection.map { tape.selectRows(x, $0) } ?? x
        let middle = tape.add(residual, result(attended, attentionResultNorm, on: tape))
        let fed = feedForward(
            feedForwardNorm?(middle, on: tape) ?? middle, pass, queries: queries,
            // A norm's pullback reads what it normalised.
            computesResult: !isSecondRun || feedForwardResultNorm != nil)
        return (middle, result(fed, feedForwardResultNorm, on: tape))
    }

    /// What joins the residual of a part's output.
    private func result(_ output: Variable, _ norm: Normalization?, on tape: Tape) -> Variable {
        let normalised = norm?(output, on: tape) ?? output
        return residualScale == 1 ? normalised : tape.scale(normalised, by: residualScale)
    }
}

/// Grouped-query attention with rotary positions.
final class SelfAttention {
    private let query: Linear
    private let key: Linear
    private let value: Linear
    private let output: Linear
    private let queryNorm: Normalization?
    private let keyNorm: Normalization?
    private let layer: Int
    private let configuration: DecoderConfiguration

    init(_ weights: ScopedWeights, layer: Int, _ configuration: DecoderConfiguration) throws(InputError) {
        let width = configuration.width
        let hasBias = configuration.hasQueryKeyValueBias
        self.layer = layer
        self.configuration = configuration
        query = try Linear(
            weights.scoped("q_proj"), output: configuration.queryWidth, input: width, hasBias: hasBias,
            rotaryHeads: configuration.headCount)
        key = try Linear(
            weights.scoped("k_proj"), output: configuration.keyValueWidth, input: width, hasBias: hasBias,
            rotaryHeads: configuration.keyValueHeadCount)
        value = try Linear(
            weights.scoped("v_proj"), output: configuration.keyValueWidth, input: width, hasBias: hasBias)
        output = try Linear(
            weights.scoped("o_proj"), output: width, input: configuration.queryWidth,
            hasBias: configuration.hasOutputBias, layout: .inputRows)
        func norm(_ name: String, of linear: Linear) throws(InputError) -> Normalization? {
            let count: Int
            switch configuration.queryKeyNorm {
            case .none: return nil
            case .headwise: count = configuration.headWidth
            case .wholeWidth: count = linear.outputWidth
            }
            return try Normalization(weights.scoped(name), count: count, configuration)
        }
        queryNorm = try norm("q_norm", of: query)
        keyNorm = try norm("k_norm", of: key)
    }

    var linears: [Linear] { [query, key, value, output] }

    /// x [T, D] -> [queries, D]. Keys and values are made of every row, queries of those asked for.
    func callAsFunction(_ x: Variable, _ pass: ForwardPass, queries: QueryRows) -> Variable {
        let tape = pass.tape
        let seed = pass.dropoutSeed
        let uses = pass.sparsity.flatMap {
            $0.policy.projections(layer: layer, input: x.value, rows: $0.rows, on: tape.backend)
        }
        let projected: [Variable]
        let queryPartition = pass.partition(of: queries)
        if let selection = queries.selection {
            projected =
                tape.linears(
                    tape.selectRows(x, selection), [query.layer(dropoutSeed: seed)],
                    parts: pass.parts(
                        uses.map { [$0.query] }, of: queryPartition, layer: layer, readers: [.sameRow])
                )
                + tape.linears(
                    x, [key, value].map { $0.layer(dropoutSeed: seed) },
                    parts: pass.parts(
                        uses.map { [$0.key, $0.value] }, of: pass.sparsity?.rows, layer: layer,
                        readers: [.laterRows, .laterRows]))
        } else {
            projected = tape.linears(
                x, [query, key, value].map { $0.layer(dropoutSeed: seed) },
                parts: pass.parts(
                    uses.map { [$0.query, $0.key, $0.value] }, of: queryPartition, layer: layer,
                    readers: [.sameRow, .laterRows, .laterRows]))
        }
        let q = positioned(projected[0], queryNorm, pass, queries)
        var k = pass.keys(positioned(projected[1], keyNorm, pass, pass.allRows))
        var v = pass.keys(projected[2])
        if let cache = pass.cache {
            (k, v) = cache.store(keys: k.value, values: v.value, layer: layer, on: tape)
        }
        let shape = AttentionShape(
            sequenceCount: pass.sequenceCount, queryStarts: queries.starts, keyStarts: pass.keyStarts,
            queryPositions: queries.positions, headCount: configuration.headCount,
            keyValueHeadCount: configuration.keyValueHeadCount, headWidth: configuration.headWidth,
            scale: configuration.queryScale, softcap: configuration.attentionSoftcap,
            window: configuration.windows[layer])
        let mixed = tape.attention(
            q, k, v, shape: shape, gradients: pass.queryGradients(of: queries, layer: layer))
        let use = queryPartition.flatMap {
            pass.sparsity?.policy.attentionOutput(
                layer: layer, input: mixed.value, rows: $0, on: tape.backend)
        }
        return tape.linears(
            mixed, [output.layer(dropoutSeed: seed)],
            parts: pass.parts(use.map { [$0] }, of: queryPartition, layer: layer, readers: [.sameRow]))[0]
    }

    private func positioned(
        _ x: Variable, _ norm: Normalization?, _ pass: ForwardPass, _ rows: QueryRows
    ) -> Variable {
        let normalised = norm?.inGroups(x, on: pass.tape) ?? x
        if configuration.unrotatedLayers.contains(layer) { return normalised }
        let (table, positions) = pass.rotation(of: rows, window: configuration.windows[layer])
        return pass.tape.rotary(
            normalised, headWidth: configuration.headWidth, table: table, positions: positions)
    }
}

/// The gated feed-forward network: down(activation(gate(x)) * up(x)).
final class FeedForward {
    private let gate: Linear
    private let up: Linear
    private let down: Linear
    private let activation: GateActivation
    private let layer: Int

    init(
        _ weights: ScopedWeights, layer: Int, _ configuration: DecoderConfiguration
    ) throws(InputError) {
        let (width, inner) = (configuration.width, configuration.feedForwardWidth)
        let hasBias = configuration.hasFeedForwardBias
        self.layer = layer
        gate = try Linear(weights.scoped("gate_proj"), output: inner, input: width, hasBias: hasBias)
        up = try Linear(weights.scoped("up_proj"), output: inner, input: width, hasBias: hasBias)
        down = try Linear(
            weights.scoped("down_proj"), output: width, input: inner, hasBias: hasBias, layout: .inputRows)
        activation = configuration.activation
    }

    var linears: [Linear] { [gate, up, down] }

    /// x [rows, D] -> [rows, D]; the rows are the block's queries, in the last block output rows alone.
    ///
    /// - Parameter computesResult: false when only the pullbacks matter, see `Tape.feedForward`.
    func callAsFunction(
        _ x: Variable, _ pass: ForwardPass, queries: QueryRows, computesResult: Bool = true
    ) -> Variable {
        let seed = pass.dropoutSeed
        let partition = pass.partition(of: queries)
        let use = partition.flatMap {
            pass.sparsity?.policy.feedForward(
                layer: layer, input: x.value, rows: $0, on: pass.tape.backend)
        }
        return pass.tape.feedForward(
            x, gate: gate.layer(dropoutSeed: seed), up: up.layer(dropoutSeed: seed),
            down: down.layer(dropoutSeed: seed), activation: activation,
            parts: pass.parts(use.map { [$0] }, of: partition, layer: layer, readers: [.sameRow]),
            computesResult: computesResult)
    }
}
