// Where a pass spends its time: a backend that times another one.

/// Forwards every operation and adds up its time; products by what kind of shape they have.
package final class ProfilingBackend: Backend {
    /// What the calls of one kind took.
    package struct Entry: Sendable {
        package var calls = 0
        package var seconds = 0.0
        /// Of products; 0 for operations whose cost is their traffic.
        package var flops = 0.0
    }

    package private(set) var entries: [String: Entry] = [:]
    private let inner: any Backend
    private let clock = ContinuousClock()

    package init(_ inner: any Backend) { self.inner = inner }

    package func reset() { entries = [:] }

    private func timed<Result>(_ name: String, flops: Double = 0, _ work: () -> Result) -> Result {
        let start = clock.now
        let result = work()
        let elapsed = start.duration(to: clock.now).components
        entries[name, default: Entry()].calls += 1
        entries[name, default: Entry()].seconds +=
            Double(elapsed.seconds) + 1e-18 * Double(elapsed.attoseconds)
        entries[name, default: Entry()].flops += flops
        return result
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
        var flops = 0.0
        for product in products {
            let (rows, columns) = (product.left.outerCount, product.right.outerCount)
            flops += 2 * Double(rows) * Double(columns) * Double(product.left.depth)
        }
        timed(Self.name(of: products), flops: flops) { inner.multiply(products, into: output) }
    }

    /// Thin products live by packing and by traffic, others by arithmetic; gathering makes a kind of its own.
    private static func name(of products: [MatrixProduct]) -> String {
        guard let widest = products.max(by: { $0.left.depth < $1.left.depth }) else { return "product" }
        let (rows, columns) = (widest.left.outerCount, widest.right.outerCount)
        let least = min(rows, columns, widest.left.depth)
        let size = least <= 8 ? "narrow" : least <= 96 ? "thin" : "large"
        func isGathered(_ operand: MatrixOperand) -> Bool {
            operand.rowSelection != nil || operand.columnSelection != nil
        }
        let gathers = products.contains { isGathered($0.left) || isGathered($0.right) }
        return "product, \(size)\(products.count > 1 ? ", several" : "")\(gathers ? ", gathered" : "")"
    }

    package func rmsNorm(
        _ x: Tensor, weight: Tensor, offset: Float, epsilon: Float, into y: Tensor, inverseRMS: Tensor
    ) {
        timed("norm") {
            inner.rmsNorm(
                x, weight: weight, offset: offset, epsilon: epsilon, into: y, inverseRMS: inverseRMS)
        }
    }
    package func rmsNormBackward(
        _ x: Tensor, weight: Tensor, offset: Float, inverseRMS: Tensor, outputGradient: Tensor,
        into inputGradient: Tensor, accumulates: Bool
    ) {
        timed("norm backward") {
            inner.rmsNormBackward(
                x, weight: weight, offset: offset, inverseRMS: inverseRMS, outputGradient: outputGradient,
                into: inputGradient, accumulates: accumulates)
        }
    }
    package func rotate(
        _ x: Tensor, headWidth: Int, rotaryWidth: Int, positions: Tensor, cosines: Tensor, sines: Tensor,
        direction: Float
    ) {
        timed("rotate") {
            inner.rotate(
                x, headWidth: headWidth, rotaryWidth: rotaryWidth, positions: positions, cosines: cosines,
                sines: sines, direction: direction)
        }
    }
    package func attention(
        _ shape: AttentionShape, q: Tensor, k: Tensor, v: Tensor, into output: Tensor, logSumExp: Tensor?
    ) {
        timed("attention") {
            inner.attention(shape, q: q, k: k, v: v, into: output, logSumExp: logSumExp)
        }
    }
    package func attentionBackward(
        _ shape: AttentionShape, q: Tensor, k: Tensor, v: Tensor, output: Tensor, logSumExp: Tensor,
        outputGradient: Tensor, dq: Tensor, dk: Tensor, dv: Tensor
    ) {
        timed("attention backward") {
            inner.attentionBackward(
                shape, q: q, k: k, v: v, output: output, logSumExp: logSumExp, outputGradient: outputGradient,
                dq: dq, dk: dk, dv: dv)
        }
    }
    package func gate(_ activation: GateActivation, gate: Tensor, up: Tensor, into output: Tensor) {
        timed("gate") { inner.gate(activation, gate: gate, up: up, into: output) }
    }
    package func gateBackward(
        _ activation: GateActivation, gate: Tensor, up: Tensor, outputGradient: Tensor, gateGradient: Tensor,
        upGradient: Tensor
    ) {
        timed("gate backward") {
            inner.gateBackward(
                activation, gate: gate, up: up, outputGradient: outputGradient, gateGradient: gateGradient,
                upGradient: upGradient)
        }
    }
    package func gatherRows(of table: Tensor, indices: Tensor, scale: Float, into output: Tensor) {
        timed("gather rows") { inner.gatherRows(of: table, indices: indices, scale: scale, into: output) }
    }
    package func scatterRows(_ rows: Tensor, indices: Tensor, into output: Tensor, accumulates: Bool) {
        timed("scatter rows") {
            inner.scatterRows(rows, indices: indices, into: output, accumulates: accumulates)
        }
    }
    package func add(_ a: Tensor, _ b: Tensor, into output: Tensor) {
        timed("add") { inner.add(a, b, into: output) }
    }
    package func copy(_ x: Tensor, scale: Float, into output: Tensor) {
        timed("copy") { inner.copy(x, scale: scale, into: output) }
    }
    package func fill(_ output: Tensor, with value: Float) {
        timed("fill") { inner.fill(output, with: value) }
    }
    package func dropout(_ x: Tensor, rate: Float, seed: UInt64, into output: Tensor) {
        timed("dropout") { inner.dropout(x, rate: rate, seed: seed, into: output) }
    }
    package func crossEntropy(
        logits: Tensor, labels: Tensor, softcap: Float, gradientScale: Float, losses: Tensor,
        gradient: Tensor?
    ) {
        timed("cross-entropy") {
            inner.crossEntropy(
                logits: logits, labels: labels, softcap: softcap, gradientScale: gradientScale,
                losses: losses, gradient: gradient)
        }
    }
    package func adamW(
        parameter: Tensor, gradient: Tensor, firstMoment: Tensor, secondMoment: Tensor,
        settings: AdamWSettings
    ) {
        timed("update") {
            inner.adamW(
                parameter: parameter, gradient: gradient, firstMoment: firstMoment,
                secondMoment: secondMoment, settings: settings)
        }
    }
    package func sumOfSquares(_ x: Tensor) -> Double { timed("sum of squares") { inner.sumOfSquares(x) } }
    package func columnSums(of x: Tensor, rows: Tensor?, squared: Bool, into sums: Tensor) {
        timed("column sums") { inner.columnSums(of: x, rows: rows, squared: squared, into: sums) }
    }
    package func selectLargest(_ scores: Tensor, count: Int) -> (kept: Tensor, rest: Tensor) {
        timed("selection") { inner.selectLargest(scores, count: count) }
    }
}
