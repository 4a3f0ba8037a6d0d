// A sparse training step against a dense one, and both against what their operations predict.

internal import ArgumentParser
internal import ContextualSparsity
internal import Foundation
internal import Models
internal import TensorEngine
internal import Training

struct SparseStepBenchmark: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sparse-step",
        abstract: "A sparse LoRA training step against a dense one, alternating.",
        discussion: """
            Random tokens in sequences of equal length, the last part of each labelled. The plan is the fixed one of \
            SparsityPlan.speedCheck, or a file. Realised is the measured speed-up divided by the one that the \
            operations of both steps predict.
            """)

    @Option(help: "A Hugging Face model folder or a GGUF file.") var model: String?
    @Flag(help: "Random weights in the shape of a Llama with 1.1 billion parameters, instead of a model.")
    var billion = false
    @Option(help: "Layers of that shape; fewer give the same picture sooner.") var layers = 22
    @Option(help: "Sequences.") var batch = 8
    @Option(help: "Tokens of each.") var length = 512
    @Option(help: "Rank of the adapters.") var rank = 32
    @Option(help: "Comma-separated names of the adapted projections.")
    var targets = "q_proj,k_proj,v_proj,o_proj"
    @Option(help: "Share of each sequence that is labelled, at its end.") var labelledFraction = 0.125
    @Option(help: "A plan's file.") var plan: String?
    @Option(help: "Pairs of timed steps.") var rounds = 5
    @Option(help: "Exit with 1 when less than this share of the predicted speed-up is realised.")
    var check: Double?

    @Flag(help: "Show where one step of each kind spends its time.") var profile = false

    func validate() throws {
        guard (model == nil) == billion else { throw ValidationError("give --model or --billion") }
        guard batch > 0, length > 1, rank > 0, rounds > 0, layers > 1 else {
            throw ValidationError("sizes must be positive")
        }
        guard labelledFraction > 0, labelledFraction < 1 else {
            throw ValidationError("--labelled-fraction must be above 0 and below 1")
        }
    }

    func run() throws {
        var path = model ?? ""
        if billion {
            path = try RandomLlama(layerCount: layers).write()
        }
        defer { if billion { try? FileManager.default.removeItem(atPath: path) } }
        let profiler = profile ? ProfilingBackend(CPUBackend()) : nil
        let backend: any Backend = profiler ?? CPUBackend()
        let decoder = try CausalLM(ModelSource(path: path), computeType: .bfloat16, backend: backend)
        let step = try TimedStep(
            model: decoder, rank: rank, targets: targets.split(separator: ",").map(String.init))
        if let profiler { decoder.nameWeights(in: profiler) }
        let (sequences, labels) = step.randomBatch(
            sequences: batch, length: length, labelled: labelledFraction)
        let plan = try plan.map { try SparsityPlan(contentsOf: $0) } ?? Self.checkedPlan(decoder)
        try plan.validate(for: decoder.configuration, location: self.plan ?? "the checked plan")
        let policy = try policy(plan, decoder, sequences, labels)

        if let profiler {
            for (name, policy) in [("dense", nil), ("sparse", policy as (any SparsityPolicy)?)] {
                for _ in 0..<2 {
                    profiler.profile.reset()
                    _ = try step.run(sequences, labels, policy: policy, profile: profiler.profile)
                }
                print("\(name):")
                for line in StepProfile(profiler.profile, trace: "").table { print(line) }
            }
            return
        }
        var (dense, sparse): ([Double], [Double]) = ([], [])
        for round in 0...rounds {
            let denseSeconds = try Measurement.seconds { _ = try step.run(sequences, labels) }
            let sparseSeconds = try Measurement.seconds {
                _ = try step.run(sequences, labels, policy: policy)
            }
            // The first pair fills caches and pools.
            guard round > 0 else { continue }
            dense.append(denseSeconds)
            sparse.append(sparseSeconds)
        }
        let rows = StepRows(sequences, labels: labels)
        let ranks = AdapterRanks(decoder)
        let denseCost = StepCost(decoder.configuration, adapters: ranks, rows: rows)
        let sparseCost = StepCost(decoder.configuration, adapters: ranks, rows: rows, plan: plan)
        let predicted = sparseCost.speedUp(over: denseCost)
        let measured = Measurement.median(zip(dense, sparse).map { $0 / $1 })
        let realised = measured / predicted

        print(MachineDescription.current().line)
        print(
            "\(batch)x\(length) tokens, \(fixed(100 * labelledFraction, 1))% labelled, rank \(rank) on \(targets), "
                + "\(plan.method.rawValue) plan")
        print("                     dense      sparse     GFLOP")
        print(
            "  seconds a step  \(column(Measurement.median(dense)))  \(column(Measurement.median(sparse)))")
        for (name, part) in [
            ("frozen forward", \StepCost.frozenForward), ("frozen backward", \.frozenBackward),
            ("adapters", \.adapters), ("attention", \.attention), ("head", \.head),
            ("estimates", \.estimator),
            ("all", \.total),
        ] {
            let padded = name.padding(toLength: 16, withPad: " ", startingAt: 0)
            print(
                "  \(padded)\(column(denseCost[keyPath: part] / 1e9, 1))  \(column(sparseCost[keyPath: part] / 1e9, 1))"
            )
        }
        print(
            "estimates take \(fixed(100 * sparseCost.estimator / sparseCost.total, 1))% of the sparse step's operations"
        )
        print(
            "speed-up measured \(fixed(measured, 2)), predicted \(fixed(predicted, 2)): realised \(fixed(realised, 3))"
                + (check.map { ", bar \($0)" } ?? ""))
        if let check, realised < check { throw ExitCode(1) }
    }

    private func policy(
        _ plan: SparsityPlan, _ model: CausalLM, _ sequences: PackedSequences, _ labels: [Int32]
    ) throws -> any SparsityPolicy {
        var sample = sequences
        sample.outputRows = labels.indices.filter { labels[$0] >= 0 }.map { Int32($0) }
        let recorded = try InputRecorder(model, sample: [sample], plan: plan, rowLimit: 2048)
        return try CalibratedSparsity(model, plan: plan, recorded: recorded)
    }

    /// `SparsityPlan.speedCheck` for thirty layers; for others the same part of the depth.
    private static func checkedPlan(_ model: CausalLM) -> SparsityPlan {
        let count = model.configuration.layerCount
        guard count != 30 else { return .speedCheck }
        var plan = SparsityPlan.uniform(feedForward: 0.9, attention: 0, layers: count / 10..<count - 1)
        plan.attention =
            SparsityPlan.uniform(
                feedForward: 0, attention: 0.5, layers: count / 3..<count - 1
            ).attention
        return plan
    }

    private func column(_ value: Double, _ digits: Int = 3) -> String {
        let text = fixed(value, digits)
        return String(repeating: " ", count: max(0, 10 - text.count)) + text
    }
}
