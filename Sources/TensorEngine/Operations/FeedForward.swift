// The gated feed-forward network as one operation: down(activation(gate(x)) * up(x)) (arXiv 2002.05202).
//
// One operation, because sparse rows never have a full-width intermediate value: with the channels I, F' = |I|
//   G = x Wg[I]^T + s Pg Bg[I]^T,  U likewise  [rows, F'];   H = activation(G) * U
//   y = H Wd[I] + s (H Ad[:, I]^T) Bd^T + (x down^T) up + bias
// Adapters of gate, up and down work on the same channels, as if the others' activations were masked (methods of the
// SparseLoRA paper, table 15). H is made again in the backward pass where it is read, not kept.
//
// Where adapters are to see all channels there is nothing narrow between the layers, and the network is three linear
// layers with the activation between them.

extension Tape {
    /// x [T, D] -> [T, D] in x's type. Keeps gate and up values, of sparse rows only the kept channels.
    ///
    /// - Parameter parts: hold each row once, with one use, whose channels are those of the inner width F; by default
    ///   all rows compute all channels. A compensation estimates the whole of what dropped channels contribute; one
    ///   without a selection is not supported.
    /// - Parameter computesResult: false leaves the result unwritten where that saves the last product, for a second run
    ///   that only the pullbacks matter of.
    package func feedForward(
        _ x: Variable, gate: LinearLayer, up: LinearLayer, down: LinearLayer, activation: GateActivation,
        parts: [RowPart]? = nil, computesResult: Bool = true
    ) -> Variable {
        let input = x.value
        precondition(
            gate.weight.layout == .outputRows && up.weight.layout == .outputRows
                && down.weight.layout == .inputRows && gate.weight.outputWidth == up.weight.outputWidth
                && gate.weight.outputWidth == down.weight.inputWidth && input.width == gate.weight.inputWidth
                && input.width == up.weight.inputWidth,
            "feed-forward: x \(input.shapeDescription), inner widths \(gate.weight.outputWidth), "
                + "\(up.weight.outputWidth), \(down.weight.inputWidth)")
        let parts = parts ?? [.whole(layers: 1)]
        parts.checkCoverage(rowCount: input.rowCount, layers: 1)
        precondition(!parts.contains { $0.uses[0].isReplaced }, "feed-forward: a replaced network")
        if parts.contains(where: { $0.uses[0].adaptersSeeAllChannels && $0.uses[0].selection != nil }),
            [gate, up, down].contains(where: { $0.adapter != nil })
        {
            return feedForwardAtFullWidth(
                x, gate: gate, up: up, down: down, activation: activation, parts: parts)
        }
        let network = GatedNetwork(
            backend: backend, gate: gate, up: up, down: down, activation: activation,
            dropouts: [gate, up, down].map { $0.dropout(on: self) })
        let output = backend.makeTensor(
            rowCount: input.rowCount, width: down.weight.outputWidth, type: input.type)
        let inputs = network.adapterInputs(input)
        let passes = parts.enumerated().map { number, part in
            GatedPass(
                network, part, number: number, input: input, inputs: inputs,
                into: computesResult ? output : nil)
        }
        guard isRecording, x.needsGradient || [gate, up, down].contains(where: { $0.adapter != nil }) else {
            return constant(output)
        }
        let keepsInput = gate.adapter != nil || up.adapter != nil
        let kept = keepsInput ? x.saved : nil
        let (slot, rowCount, width) = (x.gradientSlot, input.rowCount, input.width)
        let isPartial = passes.contains { $0.gradient.isChosen }
        return record(output) { gradient in
            let inputs = kept.map { network.adapterInputs($0.tensor) }
            var share =
                network.needsMaskedShare && slot != nil
                ? (0..<2).map { _ in
                    network.backend.makeTensor(rowCount: rowCount, width: width, type: gradient.type)
                } : []
            var target = slot?.target(on: network.backend)
            if isPartial {
                share.forEach { network.backend.fill($0, with: 0) }
                if let fresh = target, !fresh.accumulates {
                    network.backend.fill(fresh.tensor, with: 0)
                    target = (fresh.tensor, true)
                }
            }
            for pass in passes {
                pass.run(gradient, inputs: inputs, into: target, masked: share)
            }
            network.contribute(masked: &share, to: slot)
        }
    }
}

extension Tape {
    /// G = x Wg^T over the kept channels + s Pg Bg^T over all, U likewise, H = activation(G) * U over all,
    /// y = H[:, I] Wd[I] + s (H Ad^T) Bd^T. Keeps G, U and H at full width.
    private func feedForwardAtFullWidth(
        _ x: Variable, gate: LinearLayer, up: LinearLayer, down: LinearLayer, activation: GateActivation,
        parts: [RowPart]
    ) -> Variable {
        let inner = linears(
            x, [gate, up], parts: parts.map { RowPart(rows: $0.rows, uses: [$0.uses[0], $0.uses[0]]) })
        return linears(gated(inner[0], inner[1], activation: activation), [down], parts: parts)[0]
    }
}

/// The three layers and what they share.
private struct GatedNetwork {
    let backend: any Backend
    let gate: LinearLayer
    let up: LinearLayer
    let down: LinearLayer
    let activation: GateActivation
    /// Of gate, up, down.
    let dropouts: [AdapterDropout?]

    /// What the adapters of gate and up read.
    func adapterInputs(_ x: Tensor) -> [Tensor] {
        (0..<2).map { dropouts[$0]?.applied(to: x, on: backend) ?? x }
    }

    /// Adapters of gate and up whose share of x's gradient goes back through a mask.
    var needsMaskedShare: Bool { dropouts[0] != nil || dropouts[1] != nil }

    func contribute(masked: inout [Tensor], to slot: GradientSlot?) {
        for (number, share) in masked.enumerated() {
            guard let dropout = dropouts[number] else { continue }
            backend.dropout(share, rate: dropout.rate, seed: dropout.seed, into: share)
            slot?.contribute(share, on: backend)
        }
        masked = []
    }
}

/// The network on one set of rows.
private struct GatedPass {
    let network: GatedNetwork
    let rows: Tensor?
    let channels: Tensor?
    let compensation: Compensation?
    /// The down projection over this part's channels, stored [F', D].
    let down: MatrixOperand
    /// The mask of down's adapter is one of the part's own inner values.
    let downDropout: AdapterDropout?
    /// [rows, F']
    let gateValue: Tensor
    let upValue: Tensor
    /// P of gate, up and down [rows, R].
    let projected: [Tensor?]
    let gradient: RowGradient

    init(
        _ network: GatedNetwork, _ part: RowPart, number: Int, input: Tensor, inputs: [Tensor],
        into output: Tensor?
    ) {
        let backend = network.backend
        let channels = part.uses[0].selection?.kept
        let rows = part.rows
        self.network = network
        self.rows = rows
        self.channels = channels
        compensation = part.uses[0].compensation
        gradient = part.uses[0].gradient
        down =
            part.uses[0].refittedRows.map { MatrixOperand($0) }
            ?? MatrixOperand(network.down.weight.tensor, rows: channels)
        downDropout = network.dropouts[2].flatMap {
            AdapterDropout(rate: $0.rate, seed: $0.seed &+ UInt64(number))
        }
        let rowCount = rows?.count ?? input.rowCount
        func inner(_ layer: LinearLayer, _ adapterInput: Tensor) -> (sum: MatrixSum, projected: Tensor?) {
            let projected = layer.adapter?.projected(
                MatrixOperand(adapterInput, rows: rows), type: input.type, on: backend)
            let value = backend.makeTensor(
                rowCount: rowCount, width: channels?.count ?? layer.weight.outputWidth, type: input.type)
            var products = [
                MatrixProduct(MatrixOperand(input, rows: rows), layer.weight.forwardOperand(channels))
            ]
            if let adapter = layer.adapter, let projected {
                products.append(adapter.output(projected, outputs: channels))
            }
            let bias = channels.map { backend.elements(layer.bias, at: $0) } ?? layer.bias
            return (MatrixSum(products, into: MatrixOutput(value, bias: bias)), projected)
        }
        let (gateSum, gateProjected) = inner(network.gate, inputs[0])
        let (upSum, upProjected) = inner(network.up, inputs[1])
        backend.multiply([gateSum, upSum])
        (gateValue, upValue) = (gateSum.output.tensor, upSum.output.tensor)

        let adapter = network.down.adapter
        guard output != nil || adapter != nil else {
            projected = [gateProjected, upProjected, nil]
            return
        }
        let product = Self.gated(network, gateValue, upValue)
        let adapterInput = downDropout?.applied(to: product, on: backend) ?? product
        let downProjected = adapter?.projected(
            MatrixOperand(adapterInput), inputs: channels, type: input.type, on: backend)
        projected = [gateProjected, upProjected, downProjected]
        guard let output else { return }
        var products = [MatrixProduct(MatrixOperand(product), down.transposed)]
        if let adapter, let downProjected { products.append(adapter.output(downProjected)) }
        if let compensation {
            let estimate = backend.product(
                MatrixOperand(input, rows: rows), MatrixOperand(compensation.down), type: input.type)
            products.append(
                MatrixProduct(MatrixOperand(estimate), MatrixOperand(compensation.up, transposed: true)))
        }
        backend.multiply(
            products,
            into: MatrixOutput(
                output, rows: rows, bias: backend.sum(network.down.bias, compensation?.bias)))
    }

    /// activation(gate) * up of these of the part's rows; nil for all.
    private static func gated(
        _ network: GatedNetwork, _ gate: Tensor, _ up: Tensor, rows: Tensor? = nil
    ) -> Tensor {
        let product = network.backend.makeTensor(
            rowCount: rows?.count ?? gate.rowCount, width: gate.width, type: gate.type)
        network.backend.gate(network.activation, gate: gate, up: up, rows: rows, into: product)
        return product
    }

    /// The rows that have a gradient: those chosen above, or all.
    private struct Kept {
        let rows: Tensor?
        /// Which of the part's rows they are; nil for all.
        let positions: Tensor?
    }

    private var kept: Kept {
        // A mask over the part's inner values is one of all its rows.
        guard downDropout == nil, let choice = gradient.choice else {
            return Kept(rows: rows, positions: nil)
        }
        return Kept(rows: choice.rows, positions: choice.positions)
    }

    /// Adapter gradients, and this part's rows of x's gradient into `target`.
    func run(
        _ gradient: Tensor, inputs: [Tensor]?, into target: (tensor: Tensor, accumulates: Bool)?,
        masked: [Tensor]
    ) {
        let backend = network.backend
        let kept = kept
        let rows = kept.rows
        let (gateGradient, upGradient) = innerGradients(gradient, kept)
        var terms: [MatrixProduct] = []
        for (number, (layer, inner)) in [(network.gate, gateGradient), (network.up, upGradient)].enumerated()
        {
            terms.append(MatrixProduct(MatrixOperand(inner), layer.weight.backwardOperand(channels)))
            guard let adapter = layer.adapter, let projected = projected[number], let inputs else { continue }
            adapter.accumulateB(
                MatrixOperand(inner, transposed: true), projected, rows: kept.positions, outputs: channels,
                on: backend)
            let projectedGradient = adapter.projectedGradient(
                MatrixOperand(inner), outputs: channels, type: inner.type, on: backend)
            adapter.accumulateA(
                projectedGradient, MatrixOperand(inputs[number], transposed: true, rows: rows), on: backend)
            let share = adapter.inputGradient(projectedGradient)
            if network.dropouts[number] == nil {
                terms.append(share)
            } else if !masked.isEmpty {
                backend.multiply([share], into: MatrixOutput(masked[number], rows: rows))
            }
        }
        guard let target else { return }
        if let compensation {
            let estimateGradient = backend.product(
                MatrixOperand(gradient, rows: rows), MatrixOperand(compensation.up), type: gradient.type)
            terms.append(
                MatrixProduct(
                    MatrixOperand(estimateGradient), MatrixOperand(compensation.down, transposed: true)))
        }
        backend.multiply(
            terms, into: MatrixOutput(target.tensor, rows: rows, accumulates: target.accumulates))
    }

    /// dG and dU [rows, F'], and the gradients of down's adapter on the way.
    private func innerGradients(_ gradient: Tensor, _ kept: Kept) -> (gate: Tensor, up: Tensor) {
        let backend = network.backend
        let rows = kept.rows
        func makeInner() -> Tensor {
            backend.makeTensor(
                rowCount: kept.positions?.count ?? gateValue.rowCount, width: gateValue.width,
                type: gateValue.type)
        }
        let productGradient = makeInner()
        var terms = [
            MatrixProduct(MatrixOperand(gradient, rows: rows), down)
        ]
        var accumulates = false
        if let adapter = network.down.adapter, let projected = projected[2] {
            adapter.accumulateB(
                MatrixOperand(gradient, transposed: true, rows: rows), projected, rows: kept.positions,
                on: backend)
            let projectedGradient = adapter.projectedGradient(
                MatrixOperand(gradient, rows: rows), type: gradient.type, on: backend)
            let product = Self.gated(network, gateValue, upValue, rows: kept.positions)
            let adapterInput = downDropout?.applied(to: product, on: backend) ?? product
            adapter.accumulateA(
                projectedGradient, MatrixOperand(adapterInput, transposed: true), inputs: channels,
                on: backend)
            let share = adapter.inputGradient(projectedGradient, inputs: channels)
            if let downDropout {
                backend.multiply([share], into: MatrixOutput(productGradient))
                backend.dropout(
                    productGradient, rate: downDropout.rate, seed: downDropout.seed, into: productGradient)
                accumulates = true
            } else {
                terms.append(share)
            }
        }
        backend.multiply(terms, into: MatrixOutput(productGradient, accumulates: accumulates))
        let gateGradient = makeInner()
        // up's gradient takes the place of the product's.
        backend.gateBackward(
            network.activation, gate: gateValue, up: upValue, rows: kept.positions,
            outputGradient: productGradient, gateGradient: gateGradient, upGradient: productGradient)
        return (gateGradient, productGradient)
    }
}
