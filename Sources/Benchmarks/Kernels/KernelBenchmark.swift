// Kernels alone, on every instruction set that the processor has.

internal import ArgumentParser
internal import TensorEngine

struct KernelBenchmark: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "kernels",
        abstract: "Matrix products, attention and passes over memory as shares of the measured ceilings.",
        discussion: """
            Every round measures the ceiling and the kernel one after the other; shares are medians over rounds. The \
            ceiling of arithmetic is a loop of multiply-adds in registers, that of memory a copy, both with all \
            threads. Gathered products read every second row of the weight.
            """)

    @Option(help: "Rounds of every case.") var rounds = 5
    @Flag(help: "Also the sets that are for other processors or for tests: portable and emulated-bf16.")
    var all = false

    func validate() throws {
        guard rounds > 0 else { throw ValidationError("--rounds must be at least 1") }
    }

    func run() throws {
        var record = RunRecord(machine: .current(), form: "kernels")
        for set in InstructionSet.available where all || Self.isForUse(set) {
            record.figures += set.run { KernelCases(set, rounds: rounds).figures() }
        }
        record.bars = Self.bars(record)
        print(record.text)
    }

    /// Sets that someone would run models on, on this processor.
    static func isForUse(_ set: InstructionSet) -> Bool {
        switch set {
        case .emulatedBF16: false
        case .portable: InstructionSet.current == .portable
        default: true
        }
    }

    /// What products must reach of their own instruction set's peak.
    static func bars(_ record: RunRecord) -> [Bar] {
        var bars: [Bar] = []
        for set in InstructionSet.allCases {
            let shares = record.figures.filter {
                $0.scenario == KernelCases.scenario(set, .products) && $0.quantity == KernelCases.share
            }
            guard let least = shares.min(by: { $0.value < $1.value }) else { continue }
            let goal = set == .avx2 ? 0.7 : KernelCases.productGoal
            bars.append(
                Bar(
                    name: "matrix products of real shapes, \(set.rawValue)", direction: .atLeast, goal: goal,
                    value: least.value, unit: " of peak",
                    note: "least of \(shares.count): \(least.subject); median "
                        + fixed(Measurement.median(shares.map(\.value)), 3)))
            let ratios = record.figures.filter {
                $0.scenario == KernelCases.scenario(set, .products) && $0.quantity == KernelCases.gathered
            }
            bars.append(
                Bar(
                    name: "products with gathered rows against dense ones, \(set.rawValue)",
                    direction: .atLeast, goal: 0.95, value: Measurement.median(ratios.map(\.value)), unit: "",
                    note: "median of \(ratios.count)"))
        }
        return bars
    }
}
