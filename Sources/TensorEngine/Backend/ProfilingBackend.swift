// Where a step spends its time: a backend that times another one.

/// Forwards every operation and counts it in a profile; products by the weight that they read.
package final class ProfilingBackend: Backend {
    package let profile: OperationProfile
    private let inner: any Backend
    /// First and last byte of named memory, ascending. Addresses, not references: a parameter's memory must stay its
    /// own.
    private var names: [(memory: Range<UInt>, name: String)] = []

    package init(_ inner: any Backend, profile: OperationProfile = OperationProfile()) {
        self.inner = inner
        self.profile = profile
    }

    /// Says what products that read a weight are called. The weight must live as long as the backend.
    package func name(_ weight: Tensor, _ name: String) {
        let start = UInt(bitPattern: weight.address)
        let memory = start..<start + UInt(weight.byteCount)
        // Weights may be shared: an embedding table is also a head.
        guard !memory.isEmpty, self.name(at: start) == nil else { return }
        names.insert((memory, name), at: firstName(after: start))
    }

    /// The place of the first name whose memory begins after an address.
    private func firstName(after address: UInt) -> Int {
        var (low, high) = (0, names.count)
        while low < high {
            let middle = (low + high) / 2
            if names[middle].memory.lowerBound <= address { low = middle + 1 } else { high = middle }
        }
        return low
    }

    private func name(at address: UInt) -> String? {
        let place = firstName(after: address)
        guard place > 0, names[place - 1].memory.contains(address) else { return nil }
        return names[place - 1].name
    }

    /// Counts an operation whose cost is the traffic of its operands.
    private func timed<Result>(
        _ name: String, _ operands: Tensor?..., body: () -> Result
    ) -> Result {
        profile.measure(
            OperationProfile.Work(
                name: name, bytes: operands.reduce(0) { $0 + Double($1?.byteCount ?? 0) }), body)
    }

    package var description: String { inner.description }
    package func makeTensor(rowCount: Int, width: Int, type: ElementType) -> Tensor {
        timed("memory") { inner.makeTensor(rowCount: rowCount, width: width, type: type) }
    }
    package func upload(_ values: [Float], rowCount: Int, width: Int, type: ElementType) -> Tensor {
        timed("upload") { inner.upload(values, rowCount: rowCount, width: width, type: type) }
    }
    package func upload(_ indices: [Int32]) -> Tensor { timed("upload") { inner.upload(indices) } }
    package func download(_ tensor: Tensor) -> [Float] { timed("download") { inner.download(tensor) } }
    package func downloadIndices(_ tensor: Tensor) -> [Int32] {
        timed("download") { inner.downloadIndices(tensor) }
    }

    package func multiply(_ products: [MatrixProduct], into output: MatrixOutput) {
        profile.measure(work(of: products, into: output)) { inner.multiply(products, into: output) }
    }

    /// One after the other, so that each one's time is known.
    package func multiply(_ group: [MatrixSum]) {
        for sum in group { multiply(sum.products, into: sum.output) }
    }

    private func work(of products: [MatrixProduct], into output: MatrixOutput) -> OperationProfile.Work {
        var work = OperationProfile.Work(name: name(of: products))
        for product in products {
            let (rows, columns) = (Double(product.left.outerCount), Double(product.right.outerCount))
            let depth = Double(product.left.depth)
            work.flops += 2 * rows * columns * depth
            work.bytes += rows * depth * Double(product.left.tensor.type.byteCount)
            work.bytes += columns * depth * Double(product.right.tensor.type.byteCount)
        }
        guard let first = products.first else { return work }
        let (rows, columns) = (first.left.outerCount, first.right.outerCount)
        let written = rows * columns * output.tensor.type.byteCount
        work.bytes += Double(output.accumulates ? 2 * written : written)
        work.shape =
            "\(rows)x\(columns)x" + products.map { "\($0.left.depth)" }.joined(separator: "+")
        return work
    }

    /// By the deepest named weight among the operands; where there is none, by what kind of shape the product has.
    private func name(of products: [MatrixProduct]) -> String {
        func isGathered(_ operand: MatrixOperand) -> Bool {
            operand.rowSelection != nil || operand.columnSelection != nil
        }
        let gathers = products.contains { isGathered($0.left) || isGathered($0.right) }
        let suffix = gathers ? ", gathered" : ""
        let named = products.compactMap { product in
            [product.left, product.right].lazy
                .compactMap { self.name(at: UInt(bitPattern: $0.tensor.address)) }
                .first.map { (depth: product.left.depth, name: $0) }
        }
        if let name = named.max(by: { $0.depth < $1.depth })?.name { return "\(name)\(suffix)" }
        // Summed over the rows of both sides.
        if products.allSatisfy({ $0.left.isTransposed && $0.right.isTransposed }) {
            return "weight gradients\(suffix)"
        }
        guard let deepest = products.max(by: { $0.left.depth < $1.left.depth }) else { return "product" }
        let least = min(deepest.left.outerCount, deepest.right.outerCount, deepest.left.depth)
        let size = least <= 8 ? "narrow" : least <= 96 ? "thin" : "large"
        return "product, \(size)\(suffix)"
    }

    /// Two products forward, five backward, for every pair of a query and a key that it sees.
    private func work(
        _ name: String, _ shape: AttentionShape, products: Double, _ operands: [Tensor]
    ) -> OperationProfile.Work {
        var pairs = 0
        for position in inner.downloadIndices(shape.queryPositions) {
            let seen = Int(position) + 1
            pairs += shape.window > 0 ? min(seen, shape.window) : seen
        }
        return OperationProfile.Work(
            name: name,
            flops: products * 2 * Double(pairs) * Double(shape.headCount * shape.headWidth),
            bytes: operands.reduce(0) { $0 + Double($1.byteCount) })
    }

    package func rmsNorm(
        _ x: Tensor, weight: Tensor, offset: Float, epsilon: Float, into y: Tensor, inverseRMS: Tensor
    ) {
        timed("norm", x, y) {
            inner.rmsNorm(
                x, weight: weight, offset: offset, epsilon: epsilon, into: y, inverseRMS: inverseRMS)
        }
    }
    package func rmsNormBackward(
        _ x: Tensor, weight: Tensor, offset: Float, inverseRMS: Tensor, outputGradient: Tensor,
        into inputGradient: Tensor, accumulates: Bool
    ) {
        timed("norm backward", x, outputGradient, inputGradient) {
            inner.rmsNormBackward(
                x, weight: weight, offset: offset, inverseRMS: inverseRMS, outputGradient: outputGradient,
                into: inputGradient, accumulates: accumulates)
        }
    }
    package func rotate(
        _ x: Tensor, headWidth: Int, rotaryWidth: Int, positions: Tensor, cosines: Tensor, sines: Tensor,
        direction: Float
    ) {
        timed("rotate", x, x) {
            inner.rotate(
                x, headWidth: headWidth, rotaryWidth: rotaryWidth, positions: positions, cosines: cosines,
                sines: sines, direction: direction)
        }
    }
    package func attention(
        _ shape: AttentionShape, q: Tensor, k: Tensor, v: Tensor, into output: Tensor, logSumExp: Tensor?
    ) {
        profile.measure(work("attention", shape, products: 2, [q, k, v, output])) {
            inner.attention(shape, q: q, k: k, v: v, into: output, logSumExp: logSumExp)
        }
    }
    package func attentionBackward(
        _ shape: AttentionShape, q: Tensor, k: Tensor, v: Tensor, output: Tensor, logSumExp: Tensor,
        outputGradient: Tensor, dq: Tensor, dk: Tensor, dv: Tensor
    ) {
        profile.measure(
            work(
                "attention backward", shape, products: 5, [q, k, v, output, outputGradient, dq, dk, dv])
        ) {
            inner.attentionBackward(
                shape, q: q, k: k, v: v, output: output, logSumExp: logSumExp, outputGradient: outputGradient,
                dq: dq, dk: dk, dv: dv)
        }
    }
    package func gate(
        _ activation: GateActivation, gate: Tensor, up: Tensor, rows: Tensor?, into output: Tensor
    ) {
        timed("activation", output, output, output) {
            inner.gate(activation, gate: gate, up: up, rows: rows, into: output)
        }
    }
    package func gateBackward(
        _ activation: GateActivation, gate: Tensor, up: Tensor, rows: Tensor?, outputGradient: Tensor,
        gateGradient: Tensor, upGradient: Tensor
    ) {
        timed(
            "activation backward", outputGradient, outputGradient, outputGradient, gateGradient, upGradient
        ) {
            inner.gateBackward(
                activation, gate: gate, up: up, rows: rows, outputGradient: outputGradient,
                gateGradient: gateGradient, upGradient: upGradient)
        }
    }
    package func gatherRows(of table: Tensor, indices: Tensor, scale: Float, into output: Tensor) {
        timed("gather rows", output, output) {
            inner.gatherRows(of: table, indices: indices, scale: scale, into: output)
        }
    }
    package func scatterRows(_ rows: Tensor, indices: Tensor, into output: Tensor, accumulates: Bool) {
        timed("scatter rows", rows, rows) {
            inner.scatterRows(rows, indices: indices, into: output, accumulates: accumulates)
        }
    }
    package func sumRows(of x: Tensor, starts: Tensor, members: Tensor, into output: Tensor) {
        timed("sum rows", x, output) {
            inner.sumRows(of: x, starts: starts, members: members, into: output)
        }
    }
    package func add(_ a: Tensor, _ b: Tensor, into output: Tensor) {
        timed("add", a, b, output) { inner.add(a, b, into: output) }
    }
    package func copy(_ x: Tensor, scale: Float, into output: Tensor) {
        timed("copy", x, output) { inner.copy(x, scale: scale, into: output) }
    }
    package func fill(_ output: Tensor, with value: Float) {
        timed("fill", output) { inner.fill(output, with: value) }
    }
    package func dropout(_ x: Tensor, rate: Float, seed: UInt64, into output: Tensor) {
        timed("dropout", x, output) { inner.dropout(x, rate: rate, seed: seed, into: output) }
    }
    package func crossEntropyBlock(
        logits: Tensor, firstColumn: Int, labels: Tensor, softcap: Float, state: Tensor, sums: Tensor?
    ) {
        timed("cross-entropy", logits, sums == nil ? nil : logits) {
            inner.crossEntropyBlock(
                logits: logits, firstColumn: firstColumn, labels: labels, softcap: softcap, state: state,
                sums: sums)
        }
    }
    package func probableColumns(
        ofLogits logits: Tensor, labels: Tensor, state: Tensor, threshold: Float
    ) -> Tensor {
        timed("cross-entropy", logits) {
            inner.probableColumns(ofLogits: logits, labels: labels, state: state, threshold: threshold)
        }
    }
    package func endCrossEntropy(
        labels: Tensor, state: Tensor, losses: Tensor, sums: Tensor?, head: Tensor, gradientScale: Float,
        gradient: Tensor?
    ) {
        timed("cross-entropy", sums, gradient) {
            inner.endCrossEntropy(
                labels: labels, state: state, losses: losses, sums: sums, head: head,
                gradientScale: gradientScale, gradient: gradient)
        }
    }
    package func adamW(
        parameter: Tensor, gradient: Tensor, firstMoment: Tensor, secondMoment: Tensor,
        settings: AdamWSettings
    ) {
        timed("AdamW", parameter, gradient, firstMoment, secondMoment, parameter, firstMoment, secondMoment) {
            inner.adamW(
                parameter: parameter, gradient: gradient, firstMoment: firstMoment,
                secondMoment: secondMoment, settings: settings)
        }
    }
    package func sumOfSquares(_ x: Tensor) -> Double { timed("sum of squares", x) { inner.sumOfSquares(x) } }
    package func columnSums(of x: Tensor, rows: Tensor?, squared: Bool, into sums: Tensor) {
        timed("column sums", x) { inner.columnSums(of: x, rows: rows, squared: squared, into: sums) }
    }
    package func squaredRowSums(of x: Tensor, rows: Tensor?, into sums: Tensor) {
        timed("row sums", x) { inner.squaredRowSums(of: x, rows: rows, into: sums) }
    }
    package func elements(ofIndices indices: Tensor, at positions: Tensor) -> Tensor {
        timed("selection", positions) { inner.elements(ofIndices: indices, at: positions) }
    }
    package func positions(of elements: Tensor, in candidates: Tensor) -> Tensor {
        timed("selection", elements, candidates) { inner.positions(of: elements, in: candidates) }
    }
    package func counts(of elements: Tensor, below boundaries: Tensor) -> Tensor {
        timed("selection", elements, boundaries) { inner.counts(of: elements, below: boundaries) }
    }
    package func selectLargest(_ scores: Tensor, count: Int) -> (kept: Tensor, rest: Tensor) {
        timed("selection", scores) { inner.selectLargest(scores, count: count) }
    }
}
