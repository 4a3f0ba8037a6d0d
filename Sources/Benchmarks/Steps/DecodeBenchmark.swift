// Generation: one sequence token by token, which lives by memory, and a prompt at once, which lives by arithmetic.

internal import ArgumentParser
internal import Models
internal import TensorEngine

struct DecodeBenchmark: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "decode",
        abstract:
            "One sequence token by token, and a prompt at once, against what memory and products can do.",
        discussion: """
            Every round measures a copy, the products of one block, and one generation. A token must read every \
            weight and the cache once: that traffic by its time is the bandwidth used. A prompt's operations by its \
            time are held against the same products alone.
            """)

    @Option(help: "A Hugging Face model folder or a GGUF file.") var model: String
    @Option(help: "Tokens of the prompt.") var prompt = 512
    @Option(help: "Tokens to generate.") var tokens = 48
    @Option(help: "bfloat16 or float32.") var dtype = "bfloat16"
    @Option(help: "Rounds.") var rounds = 5
    @Flag(help: "Measure a round for every line on standard input, and answer each with a JSON line.")
    var worker = false

    func validate() throws {
        guard let type = ElementType(rawValue: dtype), type != .int32 else {
            throw ValidationError("--dtype is bfloat16 or float32, not \(dtype)")
        }
        guard prompt > 1, tokens > 1, rounds > 0 else { throw ValidationError("sizes must be positive") }
    }

    private struct Round {
        var secondsPerToken = 0.0
        var bandwidth = 0.0
        var copy = 0.0
        var promptSeconds = 0.0
        var promptRate = 0.0
        var productRate = 0.0
    }

    func run() throws {
        let type = ElementType(rawValue: dtype) ?? .bfloat16
        let model = try CausalLM(ModelSource(path: model), computeType: type, backend: CPUBackend())
        guard worker else {
            let all = try (0...rounds).map { _ in try round(model) }.dropFirst()
            func median(_ value: KeyPath<Round, Double>) -> Double {
                Measurement.median(all.map { $0[keyPath: value] })
            }
            print(Machine.current().line)
            print(
                "one sequence, \(dtype): \(fixed(1 / median(\.secondsPerToken), 1)) tokens/s, "
                    + "\(fixed(median(\.bandwidth) / 1e9, 1)) GB/s of \(fixed(median(\.copy) / 1e9, 1)) (a copy)"
            )
            print(
                "prompt of \(prompt): \(fixed(Double(prompt) / median(\.promptSeconds), 0)) tokens/s, "
                    + "\(fixed(median(\.promptRate) / 1e9, 1)) GFLOP/s, "
                    + "its products alone \(fixed(median(\.productRate) / 1e9, 1))")
            return
        }
        WorkerLine().write()
        while readLine() != nil {
            let round = try round(model)
            var answer = WorkerLine()
            answer["seconds"] = round.promptSeconds + Double(tokens - 1) * round.secondsPerToken
            answer["seconds_per_token"] = round.secondsPerToken
            answer["bandwidth"] = round.bandwidth
            answer["copy"] = round.copy
            answer["prompt_seconds"] = round.promptSeconds
            answer["prompt_rate"] = round.promptRate
            answer["product_rate"] = round.productRate
            answer.write()
        }
    }

    private func round(_ model: CausalLM) throws -> Round {
        var result = Round()
        result.copy = Measurement.copy(byteCount: 128 << 20)
        result.productRate = productRate(model)
        let clock = ContinuousClock()
        let vocabulary = Int32(model.configuration.vocabularySize)
        let start = (0..<prompt).map { _ in Int32.random(in: 0..<vocabulary) }
        var times: [ContinuousClock.Instant] = [clock.now]
        let options = GenerationOptions(maximumTokens: tokens)
        _ = try Generator(model, options: options, slotCount: 1, prefillTokens: prompt).generate([start]) {
            _, _ in
            times.append(clock.now)
            return .goOn
        }
        guard times.count > 2, let last = times.last else {
            throw ValidationError("the model ended its answer at once")
        }
        result.promptSeconds = Measurement.seconds(times[0].duration(to: times[1]))
        result.secondsPerToken =
            Measurement.seconds(times[1].duration(to: last)) / Double(times.count - 2)
        result.bandwidth = bytesPerToken(model) / result.secondsPerToken
        result.promptRate = promptOperations(model) / result.promptSeconds
        return result
    }

    /// What a token must read: all weights, and the keys and values before it, which are f32.
    private func bytesPerToken(_ model: CausalLM) -> Double {
        let weights = model.linears.reduce(model.head.tensor.byteCount) { $0 + $1.weight.tensor.byteCount }
        let configuration = model.configuration
        let cached = 2 * configuration.layerCount * configuration.keyValueWidth * 4 * (prompt + tokens / 2)
        return Double(weights + cached)
    }

    /// Products and attention of a prompt whose last row alone is needed.
    private func promptOperations(_ model: CausalLM) -> Double {
        let configuration = model.configuration
        var sum = 0.0
        for layer in 0..<configuration.layerCount {
            let block = model.linears(ofLayer: layer)
            let isLast = layer == configuration.layerCount - 1
            for linear in [block.key, block.value] { sum += operations(linear, rows: prompt) }
            for linear in [block.query, block.output, block.gate, block.up, block.down] {
                sum += operations(linear, rows: isLast ? 1 : prompt)
            }
            let pairs = isLast ? Double(prompt) : Double(prompt) * Double(prompt + 1) / 2
            sum += 4 * pairs * Double(configuration.queryWidth)
        }
        return sum + 2 * Double(configuration.width) * Double(configuration.vocabularySize)
    }

    private func operations(_ linear: Linear, rows: Int) -> Double {
        2 * Double(rows) * Double(linear.inputWidth) * Double(linear.outputWidth)
    }

    /// The rate of one block's products by themselves, activations in f32 as generation has them.
    private func productRate(_ model: CausalLM) -> Double {
        let backend = model.backend
        let block = model.linears(ofLayer: 0)
        let linears = block.all
        let works = linears.map { linear in
            let x = backend.makeTensor(rowCount: prompt, width: linear.inputWidth, type: .float32)
            backend.fill(x, with: 0.5)
            let y = backend.makeTensor(rowCount: prompt, width: linear.outputWidth, type: .float32)
            let weight = MatrixOperand(
                linear.weight.tensor, transposed: linear.weight.layout == .inputRows)
            return { backend.multiply([MatrixProduct(MatrixOperand(x), weight)], into: MatrixOutput(y)) }
        }
        works.forEach { $0() }
        let repetitions = 5
        let seconds = Measurement.seconds { for _ in 0..<repetitions { works.forEach { $0() } } }
        return Double(repetitions) * linears.reduce(0) { $0 + operations($1, rows: prompt) } / seconds
    }
}
