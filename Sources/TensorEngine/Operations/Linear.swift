// Frozen linear layers that share an input, perhaps with adapters, perhaps with some channels only for some rows.
//
// T rows, R adapter rank, C context rows, I kept and U dropped channels. For rows with a selection (SparseLoRA,
// arXiv 2506.16500; the frozen product is sparse, the adapter never is):
//   outputs selected:  y[:, I] = x W[I]^T + s P B[I]^T,   y[:, U] = s P B[U]^T + z up[:, U]
//   inputs selected:   y = x[:, I] W[I] + s P B^T + z up
//   weight replaced:   y = s P B^T + z up
// with P = dropout(x) A^T and, where channels are estimated, z = x down^T.

extension Tape {
    /// x [T, in] -> [T, out] in x's type.
    ///
    /// The adapter's second product is extra depth of the frozen one, so the output is written once. The frozen
    /// weight gets no gradient; x gets one only when something trainable lies beneath it.
    package func linear(
        _ x: Variable, _ weight: FrozenWeight, bias: Tensor? = nil, adapter: LowRankPair? = nil,
        dropoutSeed: UInt64 = 0
    ) -> Variable {
        linears(x, [LinearLayer(weight, bias: bias, adapter: adapter, dropoutSeed: dropoutSeed)])[0]
    }

    /// Several layers over one input, [T, out] each; their shares of the input's gradient are summed in one product.
    ///
    /// - Parameter parts: hold each of the T rows once; by default all rows compute all channels.
    package func linears(_ x: Variable, _ layers: [LinearLayer], parts: [RowPart]? = nil) -> [Variable] {
        let input = x.value
        for layer in layers {
            precondition(
                input.width == layer.weight.inputWidth,
                "linear: x \(input.shapeDescription), weight \(layer.weight.inputWidth) -> \(layer.weight.outputWidth)"
            )
        }
        let parts = parts ?? [.whole(layers: layers.count)]
        parts.checkCoverage(rowCount: input.rowCount, layers: layers.count)
        var outputs: [Tensor] = []
        var passes: [[LinearPass]] = []
        var adapters: [AdapterPass?] = []
        var together: [MatrixSum] = []
        let estimates = parts.map { PartEstimates($0, input: input, on: backend) }
        for (number, layer) in layers.enumerated() {
            let output = backend.makeTensor(
                rowCount: input.rowCount, width: layer.weight.outputWidth, type: input.type)
            let adapter = AdapterPass(
                backend, layer, input: input, dropout: layer.dropout(on: self),
                parts: parts.map { $0.uses[number] })
            passes.append(
                zip(parts, estimates).map { part, estimates in
                    LinearPass(
                        backend, layer, rows: part.rows, use: part.uses[number],
                        estimate: estimates[number], input: input, projected: adapter?.projected,
                        into: output,
                        together: &together)
                })
            adapters.append(adapter)
            outputs.append(output)
        }
        backend.multiply(together)
        guard isRecording, x.needsGradient || layers.contains(where: { $0.adapter != nil }) else {
            return outputs.map(constant)
        }
        let keepsInput = layers.contains { $0.adapter != nil }
        let pullback = LinearsPullback(
            backend: backend, rows: parts.map(\.rows), passes: passes, adapters: adapters,
            input: keepsInput ? x.saved : nil, inputType: input.type, inputSlot: x.gradientSlot)
        return record(outputs) { gradients in pullback.run(gradients) }
    }
}

/// The adapter of one layer, which is never sparse: its products with x and dy are over the rows of all parts at once.
private struct AdapterPass {
    let adapter: LowRankPair
    let dropout: AdapterDropout?
    /// P [T, R]
    let projected: Tensor
    private let gradient: RowGradient

    /// Nil for a layer without an adapter.
    ///
    /// - Parameter parts: what the layer does for the rows of each part; all of them have gradients, or some of each.
    init?(
        _ backend: any Backend, _ layer: LinearLayer, input: Tensor, dropout: AdapterDropout?,
        parts: [ChannelUse]
    ) {
        guard let adapter = layer.adapter else { return nil }
        precondition(
            Set(parts.map(\.gradient.isChosen)).count == 1, "linear: gradients are chosen in some parts only")
        self.adapter = adapter
        self.dropout = dropout
        gradient = parts[0].gradient
        let adapterInput = dropout?.applied(to: input, on: backend) ?? input
        projected = adapter.projected(MatrixOperand(adapterInput), type: input.type, on: backend)
    }

    /// The rows that have a gradient; nil for all.
    var rowsWithGradient: Tensor? { gradient.choice?.all }

    /// dB += s dy^T P and dA += s dP^T x; gives dP of the rows that have a gradient.
    func gradients(_ gradient: Tensor, input: Tensor, on backend: any Backend) -> Tensor {
        let rows = rowsWithGradient
        adapter.accumulateB(
            MatrixOperand(gradient, transposed: true, rows: rows), projected, rows: rows, on: backend)
        let projectedGradient = adapter.projectedGradient(
            MatrixOperand(gradient, rows: rows), type: gradient.type, on: backend)
        let adapterInput = dropout?.applied(to: input, on: backend) ?? input
        adapter.accumulateA(
            projectedGradient, MatrixOperand(adapterInput, transposed: true, rows: rows), on: backend)
        return projectedGradient
    }
}

/// One layer on one set of rows: what ran forward, and its share of the gradients.
private struct LinearPass {
    let layer: LinearLayer
    let rows: Tensor?
    let use: ChannelUse

    /// - Parameters:
    ///   - projected: P [T, R], where there is an adapter.
    ///   - together: takes what is left to compute, along with other layers.
    init(
        _ backend: any Backend, _ layer: LinearLayer, rows: Tensor?, use: ChannelUse, estimate: Tensor?,
        input: Tensor, projected: Tensor?, into output: Tensor, together: inout [MatrixSum]
    ) {
        self.layer = layer
        self.rows = rows
        self.use = use
        let type = input.type
        func adapterShare(_ outputs: Tensor? = nil) -> [MatrixProduct] {
            guard let adapter = layer.adapter, let projected else { return [] }
            return [adapter.output(projected, rows: rows, outputs: outputs)]
        }
        func estimateShare(_ outputs: Tensor? = nil) -> [MatrixProduct] {
            guard let compensation = use.compensation, let estimate else { return [] }
            return [
                MatrixProduct(
                    MatrixOperand(estimate),
                    MatrixOperand(compensation.up, transposed: true, columns: outputs))
            ]
        }
        guard let selection = use.selection, layer.weight.layout == .outputRows else {
            // All outputs; perhaps of some inputs.
            let kept = use.selection?.kept
            let frozen = MatrixProduct(
                MatrixOperand(input, rows: rows, columns: kept), layer.weight.forwardOperand(kept))
            together.append(
                MatrixSum(
                    (use.isReplaced ? [] : [frozen]) + adapterShare() + estimateShare(),
                    into: MatrixOutput(
                        output, rows: rows, bias: backend.sum(layer.bias, use.compensation?.bias))))
            return
        }
        let frozen = MatrixProduct(
            MatrixOperand(input, rows: rows), layer.weight.forwardOperand(selection.kept))
        backend.multiply(
            [frozen] + adapterShare(selection.kept),
            into: MatrixOutput(
                output, rows: rows, columns: selection.kept,
                bias: backend.elements(layer.bias, at: selection.kept)))
        guard selection.dropped.count > 0 else { return }
        var rest = adapterShare(selection.dropped) + estimateShare(selection.dropped)
        if rest.isEmpty {
            // A product of no depth writes the bias, or zero.
            rest = [
                MatrixProduct(
                    MatrixOperand(backend.makeTensor(rowCount: frozen.left.outerCount, width: 0, type: type)),
                    MatrixOperand(
                        backend.makeTensor(rowCount: selection.dropped.count, width: 0, type: type)))
            ]
        }
        backend.multiply(
            rest,
            into: MatrixOutput(
                output, rows: rows, columns: selection.dropped,
                bias: backend.elements(backend.sum(layer.bias, use.compensation?.bias), at: selection.dropped)
            ))
    }

    /// The rows that have a gradient; nil for all.
    var rowsWithGradient: Tensor? { use.gradient.choice?.rows ?? rows }

    /// s dP A, the adapter's share of the input's gradient.
    ///
    /// - Parameter projectedGradient: dP of the rows of all parts that have a gradient.
    func adapterGradient(_ adapter: LowRankPair, _ projectedGradient: Tensor) -> MatrixProduct {
        let choice = use.gradient.choice
        return adapter.inputGradient(projectedGradient, rows: choice == nil ? rows : choice?.places)
    }

    /// dy up^T, this layer's share of the estimate's gradient.
    func estimateGradient(_ gradient: Tensor) -> MatrixProduct? {
        guard let compensation = use.compensation else { return nil }
        let outputs = layer.weight.layout == .outputRows ? use.selection?.dropped : nil
        return MatrixProduct(
            MatrixOperand(gradient, rows: rowsWithGradient, columns: outputs),
            MatrixOperand(compensation.up, columns: outputs))
    }

    /// dy W over the kept outputs; nil where the weight is replaced, and where inputs are selected, which reaches only
    /// some columns of x's gradient.
    func frozenGradient(_ gradient: Tensor) -> MatrixProduct? {
        guard selectedInputs == nil, !use.isReplaced else { return nil }
        let kept = use.selection?.kept
        return MatrixProduct(
            MatrixOperand(gradient, rows: rowsWithGradient, columns: kept),
            layer.weight.backwardOperand(kept))
    }

    var selectedInputs: Tensor? { layer.weight.layout == .inputRows ? use.selection?.kept : nil }
}

/// The estimates of one part, z = x down^T, made once for layers that share the factor.
private struct PartEstimates {
    private var estimates: [Tensor?] = []

    init(_ part: RowPart, input: Tensor, on backend: any Backend) {
        var made: [(down: Tensor, value: Tensor)] = []
        for use in part.uses {
            guard let down = use.compensation?.down else {
                estimates.append(nil)
                continue
            }
            if let shared = made.first(where: { $0.down.isSameMemory(as: down) }) {
                estimates.append(shared.value)
                continue
            }
            let value = backend.product(
                MatrixOperand(input, rows: part.rows), MatrixOperand(down), type: input.type)
            made.append((down, value))
            estimates.append(value)
        }
    }

    subscript(number: Int) -> Tensor? { estimates[number] }
}

/// What flows back through one part's estimates: dx += dz down, dz summed over the layers that share the factor.
private struct EstimateGradients {
    private var shares: [(down: Tensor, products: [MatrixProduct])] = []

    mutating func add(_ share: MatrixProduct, through down: Tensor) {
        if let number = shares.firstIndex(where: { $0.down.isSameMemory(as: down) }) {
            shares[number].products.append(share)
        } else {
            shares.append((down, [share]))
        }
    }

    var isEmpty: Bool { shares.isEmpty }

    func terms(type: ElementType, on backend: any Backend) -> [MatrixProduct] {
        shares.map { down, products in
            let gradient = backend.makeTensor(
                rowCount: products[0].left.outerCount, width: down.rowCount, type: type)
            backend.multiply(products, into: MatrixOutput(gradient))
            return MatrixProduct(MatrixOperand(gradient), MatrixOperand(down, transposed: true))
        }
    }
}

/// dP = dy B, dB += s dy^T P, dA += s dP^T x, dx += dy W + s dP A + dz down, for every layer and part.
private struct LinearsPullback {
    let backend: any Backend
    let rows: [Tensor?]
    /// By layer, then by part.
    let passes: [[LinearPass]]
    /// By layer.
    let adapters: [AdapterPass?]
    /// x, read for dA.
    let input: SavedValue?
    let inputType: ElementType
    /// Nil when nothing trainable lies beneath x.
    let inputSlot: GradientSlot?

    func run(_ gradients: [Tensor?]) {
        let input = self.input?.tensor
        var sums = rows.map { InputGradient(rows: $0) }
        for (number, adapter) in adapters.enumerated() {
            guard let gradient = gradients[number] else { continue }
            if inputSlot != nil {
                for (part, pass) in passes[number].enumerated() { sums[part].add(pass, gradient) }
            }
            guard let adapter, let input else { continue }
            let projectedGradient = adapter.gradients(gradient, input: input, on: backend)
            guard inputSlot != nil else { continue }
            guard adapter.dropout == nil else {
                contributeMasked(adapter, projectedGradient, shape: input)
                continue
            }
            for (part, pass) in passes[number].enumerated() {
                sums[part].add(pass.adapterGradient(adapter.adapter, projectedGradient), of: pass)
            }
        }
        guard let inputSlot else { return }
        let target = contribute(sums, to: inputSlot)
        for (number, layerPasses) in passes.enumerated() {
            guard let gradient = gradients[number] else { continue }
            for pass in layerPasses {
                guard let inputs = pass.selectedInputs else { continue }
                let rows = pass.rowsWithGradient
                let product = MatrixProduct(
                    MatrixOperand(gradient, rows: rows), pass.layer.weight.backwardOperand(inputs))
                backend.multiply(
                    [product],
                    into: MatrixOutput(target, rows: rows, columns: inputs, accumulates: true))
            }
        }
    }

    /// Writes or adds the sums of all parts.
    private func contribute(_ sums: [InputGradient], to slot: GradientSlot) -> Tensor {
        var (target, accumulates) = slot.target(on: backend)
        if !accumulates, sums.contains(where: { !$0.writesAllRows }) {
            backend.fill(target, with: 0)
            accumulates = true
        }
        for sum in sums {
            var accumulates = accumulates
            for (rows, products) in sum.products(type: inputType, on: backend) {
                backend.multiply(products, into: MatrixOutput(target, rows: rows, accumulates: accumulates))
                accumulates = true
            }
        }
        return target
    }

    /// An adapter's share of the input's gradient passes back through its mask, the frozen share does not.
    private func contributeMasked(_ pass: AdapterPass, _ projectedGradient: Tensor, shape input: Tensor) {
        guard let dropout = pass.dropout, let inputSlot else { return }
        let share = backend.makeTensor(rowCount: input.rowCount, width: input.width, type: input.type)
        let rows = pass.rowsWithGradient
        if rows != nil { backend.fill(share, with: 0) }
        backend.multiply(
            [pass.adapter.inputGradient(projectedGradient)], into: MatrixOutput(share, rows: rows))
        backend.dropout(share, rate: dropout.rate, seed: dropout.seed, into: share)
        inputSlot.contribute(share, on: backend)
    }
}

/// What the gradient of one part's input is the sum of: over the whole part, and over the rows chosen above.
private struct InputGradient {
    /// Products over the same rows, those of estimates aside.
    private struct Terms {
        var rows: Tensor?
        var products: [MatrixProduct] = []
        var estimates = EstimateGradients()
    }

    private var whole: Terms
    private var chosen: Terms?

    init(rows: Tensor?) { whole = Terms(rows: rows) }

    /// A layer's shares through its frozen weight and its estimate.
    mutating func add(_ pass: LinearPass, _ gradient: Tensor) {
        if let frozen = pass.frozenGradient(gradient) { add(frozen, of: pass) }
        guard let share = pass.estimateGradient(gradient), let down = pass.use.compensation?.down else {
            return
        }
        change(pass) { $0.estimates.add(share, through: down) }
    }

    mutating func add(_ product: MatrixProduct, of pass: LinearPass) {
        change(pass) { $0.products.append(product) }
    }

    private mutating func change(_ pass: LinearPass, _ body: (inout Terms) -> Void) {
        guard let choice = pass.use.gradient.choice else { return body(&whole) }
        var terms = chosen ?? Terms(rows: choice.rows)
        body(&terms)
        chosen = terms
    }

    /// Whether the first of the products leaves no row of the part unwritten.
    var writesAllRows: Bool { !whole.products.isEmpty || !whole.estimates.isEmpty }

    /// By rows, those of the whole part first.
    func products(
        type: ElementType, on backend: any Backend
    ) -> [(rows: Tensor?, products: [MatrixProduct])] {
        [whole, chosen].compactMap { terms in
            guard let terms else { return nil }
            let products = terms.products + terms.estimates.terms(type: type, on: backend)
            return products.isEmpty ? nil : (terms.rows, products)
        }
    }
}
