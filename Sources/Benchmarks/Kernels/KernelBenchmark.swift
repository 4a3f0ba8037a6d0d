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
    @Flag(help: "Matrix products alone.") var products = false
    @Flag(help: "Exit with 1 where a bar is missed.") var check = false

    func validate() throws {
        guard rounds > 0 else { throw ValidationError("--rounds must be at least 1") }
    }

    func run() throws {
        var record = RunRecord(machine: .current(), form: "kernels")
        for set in InstructionSet.available where all || Self.isForUse(set) {
            let figures: [Figure] = set.run {
                let cases = KernelCases(set, rounds: rounds)
                return products ? cases.products() : cases.figures()
            }
            record.add(figures: figures)
        }
        record.add(bars: Self.bars(record))
        print(record.text)
        if check, record.bars.contains(where: { !$0.isMet }) { throw ExitCode.failure }
    }

    /// Sets that someone would run models on, on this processor.
    static func isForUse(_ set: InstructionSet) -> Bool {
        switch set {
        case .emulatedBF16: false
        case .portable: InstructionSet.current == .portable
        default: true
        }
    }

    /// What products must reach of their own instruction set's peak, by type.
    static func bars(_ record: RunRecord) -> [Bar] {
        InstructionSet.allCases.flatMap { set in
            [ElementType.bfloat16, .float32].flatMap { bars(record, set, $0) }
        }
    }

    private static func bars(_ record: RunRecord, _ set: InstructionSet, _ type: ElementType) -> [Bar] {
        func figures(_ quantity: String) -> [Figure] {
            record.figures.filter {
                $0.scenario == KernelCases.scenario(set, .products) && $0.quantity == quantity
                    && $0.subject.hasSuffix(type.rawValue)
            }
        }
        let shares = figures(KernelCases.share)
        guard let least = shares.min(by: { $0.value < $1.value }) else { return [] }
        let ratios = figures(KernelCases.gathered)
        return [
            Bar(
                name: "\(type.rawValue) products of real shapes, \(set.rawValue)", direction: .atLeast,
                goal: KernelCases.productGoal(set, type), value: least.value, unit: " of peak",
                note: "least of \(shares.count): \(least.subject); median "
                    + fixed(Measurement.median(shares.map(\.value)), 3)),
            Bar(
                name: "\(type.rawValue) products with gathered rows against dense ones, \(set.rawValue)",
                direction: .atLeast, goal: 0.95, value: Measurement.median(ratios.map(\.value)), unit: "",
                note: "median of \(ratios.count)"),
        ]
    }
}
