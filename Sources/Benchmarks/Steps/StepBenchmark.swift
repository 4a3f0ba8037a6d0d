// One LoRA training step of a real model, dense or sparse: forward, backward, AdamW.

internal import ArgumentParser
internal import ContextualSparsity
internal import Models
internal import Foundation
internal import TensorEngine
internal import Training

struct StepBenchmark: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "step",
        abstract: "One LoRA training step: forward, backward and update.",
        discussion: """
            Random tokens in sequences of equal length, the last part of each labelled, as when a prompt is masked; or \
            the batches of a file. The same work as tools/peers/peft_step.py. With --sparsity the step follows a plan: \
            a share of plain LoRA's operations to spend, a plan's file, or "checked" for the plan by which the speed of sparse \
            steps is checked. With --worker it takes one step for every line \
            on standard input, which is how the speed command alternates programs.
            """)

    @OptionGroup var work: StepWork
    @Option(help: "A share of the dense step's operations to spend, or a plan's file.") var sparsity: String?
    @Option(help: "Timed steps.") var steps = 6
    @Option(help: "Steps before them.") var warmup = 2
    @Flag(help: "Show where the timed steps spend their time.") var profile = false
    @Flag(help: "Take a step for every line on standard input, and answer each with a JSON line.")
    var worker = false
    @Option(help: "With --worker: steps for a line, which is answered with their mean.")
    var stepsPerTurn = 1

    /// Stands for `SparsityPlan.speedCheck`.
    static let checkedPlan = "checked"

    func validate() throws {
        guard steps > 0, warmup >= 0, stepsPerTurn > 0 else {
            throw ValidationError("sizes must be positive")
        }
    }

    func run() throws {
        let profiler = profile ? ProfilingBackend(CPUBackend()) : nil
        let step = try TimedStep(work, profiler: profiler)
        let batches = try work.batches(vocabularySize: step.model.configuration.vocabularySize)
        let plan = try sparsity.map { try chosenPlan($0, step, batches) }
        if let plan { try step.follow(plan, fittedOn: Array(batches.prefix(4))) }
        if worker {
            try serve(step, batches, plan, profiler)
        } else {
            try report(step, batches, plan, profiler)
        }
    }

    private func chosenPlan(
        _ choice: String, _ step: TimedStep, _ batches: [LabelledSequences]
    ) throws -> SparsityPlan {
        guard let share = Double(choice) else {
            let plan =
                choice == Self.checkedPlan ? .speedCheck : try SparsityPlan(contentsOf: choice)
            try plan.validate(for: step.model.configuration, location: choice)
            return plan
        }
        guard let plan = CountedPlan.spending(share, step: step, batches: batches) else {
            throw ValidationError("no plan spends only \(share) of plain LoRA's operations on these batches")
        }
        return plan
    }

    /// The first line says what a step is; each further one answers a line with one step.
    private func serve(
        _ step: TimedStep, _ batches: [LabelledSequences], _ plan: SparsityPlan?,
        _ profiler: ProfilingBackend?
    ) throws {
        let dense = step.cost(of: batches)
        let needed = plan.map { step.cost(of: batches, plan: $0) } ?? dense
        var ready = WorkerLine()
        ready["tokens"] = batches.reduce(0) { $0 + Double($1.sequences.tokens.count) }
        ready["gigaflop"] = 1e-9 * needed.total
        ready["dense_gigaflop"] = 1e-9 * dense.total
        ready["estimator_gigaflop"] = 1e-9 * needed.estimator
        ready.write()
        var number = 0
        while readLine() != nil {
            let batch = batches[number % batches.count]
            number += 1
            let peak = 1e-9 * Measurement.peak(work.elementType, seconds: 0.05)
            profiler?.profile.reset()
            var loss = 0.0
            let seconds = try Measurement.seconds {
                for _ in 0..<stepsPerTurn { loss = try step.run(batch) }
            }
            var answer = WorkerLine()
            answer["seconds"] = seconds / Double(stepsPerTurn)
            answer["loss"] = loss
            answer["peak_gigaflops"] = peak
            if let profiler {
                let attention = profiler.profile.totals.filter { $0.key.name.hasPrefix("attention") }
                let seconds = 1e-9 * Double(attention.values.reduce(0) { $0 + $1.nanoseconds })
                answer["attention_seconds"] = seconds / Double(stepsPerTurn)
            }
            answer.write()
        }
    }

    private func report(
        _ step: TimedStep, _ batches: [LabelledSequences], _ plan: SparsityPlan?,
        _ profiler: ProfilingBackend?
    ) throws {
        for number in 0..<warmup { _ = try step.run(batches[number % batches.count]) }
        profiler?.profile.reset()
        let requests = MemoryPool.shared.statistics.systemRequests
        var (seconds, shares, tokens): ([Double], [Double], [Double]) = ([], [], [])
        var loss = 0.0
        for number in warmup..<warmup + steps {
            let batch = batches[number % batches.count]
            let peak = Measurement.peak(work.elementType, seconds: 0.05)
            let taken = try Measurement.seconds { loss = try step.run(batch) }
            seconds.append(taken)
            tokens.append(Double(batch.sequences.tokens.count) / taken)
            shares.append(step.cost(of: [batch], plan: plan).total / taken / peak)
        }
        let grown = MemoryPool.shared.statistics.systemRequests - requests
        print(Machine.current().line)
        print(
            "\(work.description): \(fixed(Measurement.median(seconds), 3)) s a step, "
                + "\(fixed(Measurement.median(tokens), 0)) tokens/s, "
                + "\(fixed(Measurement.median(shares), 3)) of the measured peak, "
                + "peak memory \(fixed(Double(MemoryUse.current.peakProcessBytes) / 1e9, 2)) GB, loss \(fixed(loss, 3)), "
                + "\(grown) requests for memory in \(steps) steps")
        print(operations(step, batches, plan))
        if let profiler {
            for line in StepProfile(profiler.profile, trace: "").table { print(line) }
        }
    }

    /// Where the operations are, of the dense step and the sparse one.
    private func operations(
        _ step: TimedStep, _ batches: [LabelledSequences], _ plan: SparsityPlan?
    ) -> String {
        let dense = step.cost(of: batches)
        let sparse = plan.map { step.cost(of: batches, plan: $0) }
        let columns = [dense, sparse].compactMap { cost in cost.map { $0.parts + [("all", $0.total)] } }
        let rows = columns[0].indices.map { part in
            let name = columns[0][part].name
            let values = columns.map { padded(fixed($0[part].operations / 1e9, 1), 10) }
            return "  \(name.padding(toLength: 16, withPad: " ", startingAt: 0))\(values.joined())"
        }
        return
            (["  GFLOP           " + padded("dense", 10) + (plan == nil ? "" : padded("sparse", 10))] + rows)
            .joined(separator: "\n")
    }
}

/// What a worker says: numbers by name, as one JSON line.
struct WorkerLine {
    private var values: [(String, Double)] = []

    subscript(name: String) -> Double {
        get { values.last { $0.0 == name }?.1 ?? 0 }
        set { values.append((name, newValue)) }
    }

    /// Writes it at once: someone is waiting for it.
    func write() {
        print("{" + values.map { "\"\($0.0)\":\($0.1)" }.joined(separator: ",") + "}")
        fflush(nil)
    }
}
