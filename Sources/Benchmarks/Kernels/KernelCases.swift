// The kernel cases: what is measured, against which ceiling.

internal import TensorEngine

/// Measures kernels on the instruction set that is selected.
struct KernelCases {
    enum Kind: String { case products, thin = "thin products", attention, memory = "passes over memory" }

    static let share = "share of peak"
    static let gathered = "gathered/dense"
    /// With bf16 dot products 370 of 465 GFLOP/s where the bar was set, the same share elsewhere; with multiply-adds in f32,
    /// which wait for twice as much memory, 0.7.
    static func productGoal(_ set: InstructionSet, _ type: ElementType) -> Double {
        set == .avx512BF16 && type == .bfloat16 ? 370.0 / 465.0 : 0.7
    }

    static func scenario(_ set: InstructionSet, _ kind: Kind) -> String {
        "\(kind.rawValue), \(set.rawValue)"
    }

    private let set: InstructionSet
    private let rounds: Int
    private let backend = CPUBackend()

    init(_ set: InstructionSet, rounds: Int) {
        self.set = set
        self.rounds = rounds
    }

    func figures() -> [Figure] { products() + thinProducts() + attention() + memory() }

    private func figure(_ kind: Kind, _ subject: String, _ quantity: String, _ value: Double) -> Figure {
        Figure(scenario: Self.scenario(set, kind), subject: subject, quantity: quantity, value: value)
    }

    // MARK: Arithmetic

    private static let wide: [(rows: Int, columns: Int, depth: Int)] =
        [1024, 2048].flatMap { rows in
            [(576, 576), (1536, 576), (576, 1536), (2048, 2048), (5632, 2048)].map { (rows, $0.0, $0.1) }
        } + [(1024, 49152, 576)]

    /// q, k, v, o, gate, up, down and head of SmolLM2-135M and of a Llama with 1.1 billion parameters.
    func products() -> [Figure] {
        [ElementType.bfloat16, .float32].flatMap { type in
            Self.wide.flatMap { rows, columns, depth -> [Figure] in
                let x = tensor(rows, depth, type)
                let weight = tensor(columns, depth, type)
                // Every second row, as a selection of half the channels would be spread.
                let half = backend.upload((0..<Int32(columns / 2)).map { 2 * $0 + ($0 % 2) })
                let (full, narrow) = (tensor(rows, columns, type), tensor(rows, columns / 2, type))
                let flops = 2 * Double(rows) * Double(columns) * Double(depth)
                let dense = {
                    backend.multiply(
                        [MatrixProduct(MatrixOperand(x), MatrixOperand(weight))], into: MatrixOutput(full))
                }
                let gathered = {
                    backend.multiply(
                        [MatrixProduct(MatrixOperand(x), MatrixOperand(weight, rows: half))],
                        into: MatrixOutput(narrow))
                }
                let rates = measure(
                    peak: { peak(type) }, [(amount: flops, work: dense), (amount: flops / 2, work: gathered)])
                let subject = "\(rows)x\(columns)x\(depth) \(type.rawValue)"
                return [
                    figure(.products, subject, "GFLOP/s", rates[0].rate / 1e9),
                    figure(.products, subject, Self.share, rates[0].share),
                    figure(.products, subject, Self.gathered, rates[1].rate / rates[0].rate),
                ]
            }
        }
    }

    /// Products with a dimension of 32 to 192: an adapter's factors and gradients, and narrow k and v.
    private func thinProducts() -> [Figure] {
        let type = ElementType.bfloat16
        let (rows, width, inner, rank) = (2048, 576, 1536, 32)
        let x = tensor(rows, width, type)
        let wide = tensor(rows, inner, type)
        let low = tensor(rows, rank, type)
        let (down, up) = (tensor(rank, width, .float32), tensor(inner, rank, .float32))
        let narrow = tensor(192, width, type)
        let weight = tensor(inner, width, type)
        func product(
            _ name: String, _ products: [MatrixProduct], _ output: Tensor, transposed: Bool = false
        ) -> [Figure] {
            let flops = products.reduce(0.0) {
                $0 + 2 * Double($1.left.outerCount) * Double($1.right.outerCount) * Double($1.left.depth)
            }
            let rate = measure(
                peak: { peak(type) },
                [(amount: flops, work: { backend.multiply(products, into: MatrixOutput(output)) })])[0]
            return [
                figure(.thin, name, "GFLOP/s", rate.rate / 1e9), figure(.thin, name, Self.share, rate.share),
            ]
        }
        return product(
            "2048x32x576: x A^T", [MatrixProduct(MatrixOperand(x), MatrixOperand(down))],
            tensor(rows, rank, type))
            + product(
                "2048x1536x32: P B^T", [MatrixProduct(MatrixOperand(low), MatrixOperand(up))],
                tensor(rows, inner, type))
            + product(
                "2048x1536x(576+32): x W^T + P B^T",
                [
                    MatrixProduct(MatrixOperand(x), MatrixOperand(weight)),
                    MatrixProduct(MatrixOperand(low), MatrixOperand(up)),
                ], tensor(rows, inner, type))
            + product(
                "32x576x2048: dP^T x",
                [MatrixProduct(MatrixOperand(low, transposed: true), MatrixOperand(x, transposed: true))],
                tensor(rank, width, .float32))
            + product(
                "1536x32x2048: dy^T P",
                [MatrixProduct(MatrixOperand(wide, transposed: true), MatrixOperand(low, transposed: true))],
                tensor(inner, rank, .float32))
            + product(
                "2048x192x576: k or v", [MatrixProduct(MatrixOperand(x), MatrixOperand(narrow))],
                tensor(rows, 192, type))
    }

    /// Grouped-query attention of SmolLM2 and of a 1.1 B Llama.
    private func attention() -> [Figure] {
        [(4, 512, 9, 3), (1, 2048, 9, 3), (1, 1024, 32, 4)].flatMap { sequences, length, heads, keyHeads in
            let (type, width) = (ElementType.bfloat16, 64)
            let rows = sequences * length
            let starts = backend.upload((0...sequences).map { Int32($0 * length) })
            let positions = backend.upload((0..<sequences).flatMap { _ in (0..<Int32(length)) })
            let shape = AttentionShape(
                sequenceCount: sequences, queryStarts: starts, keyStarts: starts, queryPositions: positions,
                headCount: heads, keyValueHeadCount: keyHeads, headWidth: width, scale: 0.125)
            let q = tensor(rows, heads * width, type)
            let (k, v) = (tensor(rows, keyHeads * width, type), tensor(rows, keyHeads * width, type))
            let (output, outputGradient) = (
                tensor(rows, heads * width, type), tensor(rows, heads * width, type)
            )
            let logSumExp = tensor(rows, heads, .float32)
            let dq = tensor(rows, heads * width, type)
            let (dk, dv) = (tensor(rows, keyHeads * width, type), tensor(rows, keyHeads * width, type))
            // Two products of head width for every pair of a row and one before it or itself.
            let pairs = Double(sequences) * Double(length) * Double(length + 1) / 2
            let forward = 2 * 2 * pairs * Double(heads * width)
            let rates = measure(
                peak: { peak(type) },
                [
                    (
                        amount: forward,
                        work: {
                            backend.attention(shape, q: q, k: k, v: v, into: output, logSumExp: logSumExp)
                        }
                    ),
                    (
                        amount: 2.5 * forward,
                        work: {
                            backend.attentionBackward(
                                shape, q: q, k: k, v: v, output: output, logSumExp: logSumExp,
                                outputGradient: outputGradient, dq: dq, dk: dk, dv: dv)
                        }
                    ),
                ])
            let subject = "\(sequences)x\(length), \(heads) heads on \(keyHeads)"
            return zip(["forward", "backward"], rates).flatMap { name, rate in
                [
                    figure(.attention, "\(subject), \(name)", "GFLOP/s", rate.rate / 1e9),
                    figure(.attention, "\(subject), \(name)", Self.share, rate.share),
                ]
            }
        }
    }

    // MARK: Memory

    /// Operations that live by their traffic, on arrays that no cache holds.
    private func memory() -> [Figure] {
        let (rows, width, type) = (8192, 1536, ElementType.bfloat16)
        let (a, b, c, d, e) = (
            tensor(rows, width, type), tensor(rows, width, type), tensor(rows, width, type),
            tensor(rows, width, type), tensor(rows, width, type)
        )
        let weight = tensor(1, width, .float32)
        let inverse = tensor(1, rows, .float32)
        let logits = tensor(256, 49152, .float32)
        let (lossState, lossSums) = (tensor(256, 4, .float32), tensor(256, 576, .float32))
        let labels = backend.upload((0..<256).map { Int32($0) })
        let states = (0..<4).map { _ in tensor(4096, 1024, .float32) }
        let cases: [(String, [Tensor], () -> Void)] = [
            ("add", [a, b, c], { backend.add(a, b, into: c) }),
            (
                "norm", [a, c],
                { backend.rmsNorm(a, weight: weight, offset: 0, epsilon: 1e-5, into: c, inverseRMS: inverse) }
            ),
            (
                "norm backward", [a, b, c],
                {
                    backend.rmsNormBackward(
                        a, weight: weight, offset: 0, inverseRMS: inverse, outputGradient: b, into: c,
                        accumulates: false)
                }
            ),
            ("activation", [a, b, c], { backend.gate(.silu, gate: a, up: b, rows: nil, into: c) }),
            (
                "activation backward", [a, b, c, d, e],
                {
                    backend.gateBackward(
                        .silu, gate: a, up: b, rows: nil, outputGradient: c, gateGradient: d, upGradient: e)
                }
            ),
            (
                "cross-entropy", [logits, logits],
                {
                    backend.crossEntropyBlock(
                        logits: logits, firstColumn: 0, labels: labels, softcap: 0, state: lossState,
                        sums: lossSums)
                }
            ),
            (
                "AdamW", states + [states[0], states[2], states[3]],
                {
                    backend.adamW(
                        parameter: states[0], gradient: states[1], firstMoment: states[2],
                        secondMoment: states[3], settings: AdamWSettings(learningRate: 1e-3, step: 1))
                }
            ),
        ]
        return cases.flatMap { name, operands, work in
            let bytes = operands.reduce(0.0) { $0 + Double($1.byteCount) }
            let rate = measure(
                peak: { Measurement.copy(byteCount: 64 << 20) }, [(amount: bytes, work: work)])[0]
            return [
                figure(.memory, name, "GB/s", rate.rate / 1e9),
                figure(.memory, name, "share of a copy", rate.share),
            ]
        }
    }

    // MARK: Timing

    private struct Rate {
        /// Operations or bytes a second.
        var rate: Double
        var share: Double
    }

    /// Medians over rounds, each of which measures the ceiling and then every piece of work.
    private func measure(
        peak: () -> Double, _ works: [(amount: Double, work: () -> Void)]
    ) -> [Rate] {
        // Enough repetitions for about 20 ms, so that one interruption does not decide a round.
        let repetitions = works.map { _, work in
            work()
            return max(1, Int(0.02 / Measurement.seconds(work)))
        }
        var samples = works.map { _ in [Rate]() }
        for _ in 0..<rounds {
            let ceiling = peak()
            for (number, (amount, work)) in works.enumerated() {
                let seconds = Measurement.seconds { for _ in 0..<repetitions[number] { work() } }
                let rate = amount * Double(repetitions[number]) / seconds
                samples[number].append(Rate(rate: rate, share: rate / ceiling))
            }
        }
        return samples.map { rates in
            Rate(
                rate: Measurement.median(rates.map(\.rate)), share: Measurement.median(rates.map(\.share)))
        }
    }

    private func peak(_ type: ElementType) -> Double {
        Measurement.peak(type, seconds: 0.02)
    }

    private func tensor(_ rows: Int, _ width: Int, _ type: ElementType) -> Tensor {
        let tensor = backend.makeTensor(rowCount: rows, width: width, type: type)
        backend.fill(tensor, with: 0.25)
        return tensor
    }
}
