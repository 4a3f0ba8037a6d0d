// One LoRA training step of a real model: forward, backward, AdamW.

internal import ArgumentParser
internal import Foundation
internal import Models
internal import TensorEngine

struct StepBenchmark: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "step",
        abstract: "One LoRA training step: forward, backward and update.",
        discussion: """
            Random tokens in sequences of equal length, the last part of each labelled, as when a prompt is masked. \
            The same work as tools/peers/peft_step.py; tools/checks/check_step.py alternates the two.
            """)

    @Option(help: "A Hugging Face model folder or a GGUF file.") var model: String
    @Option(help: "Sequences.") var batch = 4
    @Option(help: "Tokens of each.") var length = 512
    @Option(help: "Rank of the adapters.") var rank = 32
    @Option(help: "Comma-separated names of the adapted projections.")
    var targets = "q_proj,k_proj,v_proj,o_proj"
    @Option(help: "Share of each sequence that is labelled, at its end.") var labelledFraction = 0.25
    @Option(help: "bfloat16 or float32.") var dtype = "bfloat16"
    @Option(help: "Timed steps.") var steps = 6
    @Option(help: "Steps before them.") var warmup = 2
    @Flag(help: "Run blocks again in the backward pass instead of keeping what is in them.")
    var checkpointing = false
    @Flag(help: "Print one JSON object.") var json = false

    func validate() throws {
        guard ElementType(rawValue: dtype) != nil, dtype != "int32" else {
            throw ValidationError("--dtype is bfloat16 or float32, not \(dtype)")
        }
        guard batch > 0, length > 1, rank > 0, steps > 0, warmup >= 0 else {
            throw ValidationError("sizes must be positive")
        }
        guard labelledFraction > 0, labelledFraction <= 1 else {
            throw ValidationError("--labelled-fraction must be above 0 and at most 1")
        }
    }

    func run() throws {
        guard let type = ElementType(rawValue: dtype) else { return }
        let backend = CPUBackend()
        let step = try TimedStep(
            model: CausalLM(ModelSource(path: model), computeType: type, backend: backend), rank: rank,
            targets: targets.split(separator: ",").map(String.init), checkpointing: checkpointing)
        let (sequences, labels) = step.randomBatch(
            sequences: batch, length: length, labelled: labelledFraction)
        for _ in 0..<warmup { _ = try step.run(sequences, labels) }
        let requests = MemoryPool.shared.statistics.systemRequests
        var seconds: [Double] = []
        var loss = 0.0
        for _ in 0..<steps {
            seconds.append(try Measurement.seconds { loss = try step.run(sequences, labels) })
        }
        let grown = MemoryPool.shared.statistics.systemRequests - requests
        let median = Measurement.median(seconds)
        let tokens = Double(batch * length) / median
        let peak = peakResidentBytes()
        if json {
            print(
                "{\"benchmark\":\"step\",\"kernels\":\"\(backend.description)\",\"dtype\":\"\(dtype)\","
                    + "\"seconds_median\":\(median),\"seconds_best\":\(seconds.min() ?? 0),"
                    + "\"tokens_per_second\":\(tokens),\"peak_bytes\":\(peak),"
                    + "\"pool_requests_in_timed_steps\":\(grown),\"loss\":\(loss)}")
        } else {
            print(MachineDescription.current().line)
            print(
                "\(batch)x\(length) tokens, rank \(rank) on \(targets), \(dtype): \(fixed(median, 3)) s a step, "
                    + "\(fixed(tokens, 0)) tokens/s, peak \(fixed(Double(peak) / 1e9, 2)) GB, loss \(fixed(loss, 3)), "
                    + "\(grown) requests for memory in \(steps) steps")
        }
    }
}

/// A model with adapters on some projections, and the optimizer's state.
final class TimedStep {
    private let model: CausalLM
    private let backend: any Backend
    private let checkpointing: Bool
    private var parameters: [(parameter: Parameter, first: Tensor, second: Tensor)] = []
    private var count = 0

    init(model: CausalLM, rank: Int, targets: [String], checkpointing: Bool = false) throws {
        self.model = model
        self.checkpointing = checkpointing
        backend = model.backend
        var random = SystemRandomNumberGenerator()
        var adapted = 0
        for linear in model.linears where targets.contains(where: { linear.name.hasSuffix(".\($0)") }) {
            let bound = 1 / Float(linear.inputWidth).squareRoot()
            let values = (0..<rank * linear.inputWidth).map { _ in
                Float.random(in: -bound...bound, using: &random)
            }
            let a = Parameter(
                name: "\(linear.name).lora_A",
                value: backend.upload(values, rowCount: rank, width: linear.inputWidth, type: .float32))
            let b = Parameter(name: "\(linear.name).lora_B", value: zeros(linear.outputWidth, rank))
            linear.adapter = LowRankPair(a: a, b: b, scale: 2)
            for parameter in [a, b] {
                let (rows, width) = (parameter.value.rowCount, parameter.value.width)
                parameters.append((parameter, zeros(rows, width), zeros(rows, width)))
            }
            adapted += 1
        }
        guard adapted > 0 else {
            throw ValidationError("no projection is named \(targets.joined(separator: ", "))")
        }
    }

    private func zeros(_ rows: Int, _ width: Int) -> Tensor {
        let tensor = backend.makeTensor(rowCount: rows, width: width, type: .float32)
        backend.fill(tensor, with: 0)
        return tensor
    }

    func randomBatch(sequences: Int, length: Int, labelled: Double) -> (PackedSequences, [Int32]) {
        let vocabulary = Int32(model.configuration.vocabularySize)
        let tokens = (0..<sequences).map { _ in (0..<length).map { _ in Int32.random(in: 0..<vocabulary) } }
        let first = length - Int((Double(length) * labelled).rounded())
        let labels = tokens.flatMap { sequence in
            sequence.indices.map { $0 + 1 < length && $0 + 1 >= first ? sequence[$0 + 1] : -1 }
        }
        return (PackedSequences(tokens), labels)
    }

    /// One step; returns the mean loss before its update.
    func run(
        _ batch: PackedSequences, _ labels: [Int32], policy: (any SparsityPolicy)? = nil,
        profile: OperationProfile? = nil
    ) throws -> Double {
        profile?.beginStep("step \(count + 1)")
        defer { profile?.endStep() }
        let tape = Tape(backend: backend)
        let labelled = labels.count { $0 >= 0 }
        let result = try model.loss(
            batch, labels: labels, gradientScale: 1 / Float(labelled), on: tape, policy: policy,
            checkpointing: checkpointing)
        profile?.begin(.backward)
        tape.backward()
        profile?.begin(.update)
        count += 1
        for entry in parameters {
            guard let gradient = entry.parameter.gradient else { continue }
            backend.adamW(
                parameter: entry.parameter.value, gradient: gradient, firstMoment: entry.first,
                secondMoment: entry.second, settings: AdamWSettings(learningRate: 3e-4, step: count))
            entry.parameter.clearGradient()
        }
        return result.sum / Double(result.count)
    }
}
