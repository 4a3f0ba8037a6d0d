// All of the project's bars of speed and memory in one run, PEFT alternating where it is the opponent.

internal import ArgumentParser
internal import FileSupport
internal import Foundation

struct SpeedBenchmark: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "speed",
        abstract: "Every speed and memory bar: kernels, training steps beside PEFT, generation.",
        discussion: """
              Benchmarks speed --model MODEL --python .venv/bin/python
              Benchmarks speed --model MODEL --save speed.jsonl --compare before.jsonl
              Benchmarks speed --model MODEL --form full --save full.jsonl --continue

            Each program of a step case is a process of its own and takes its steps in turn with the others, so that a \
            busy machine slows all of them; times are medians. The quick form takes about ten minutes, with fewer \
            rounds and some smaller cases, each of which says so. The exit code is 1 where a bar is missed.
            """)

    @Option(help: "A Llama-like model's folder, for both sides: the bars are for SmolLM2-135M.") var model:
        String
    @Option(help: "The GGUF file of Gemma 3 270M, for its case.") var gemma: String?
    @Option(help: "A folder with arithmetic/train.jsonl and commonsense/train.jsonl, for their cases.")
    var data: String?
    @Option(help: "A Python that has torch and peft; without it the peer's cases are left out.")
    var python: String?
    @Option(help: "The peer's program.") var peer = "tools/peers/peft_step.py"
    @Option(help: "quick or full.") var form = SpeedForm.quick
    @Option(
        help:
            "Batches of each real data set; 0 for the whole epoch. By default 1 in the quick form, 0 in the full."
    )
    var epochBatches: Int?
    @Option(
        help:
            "Only these cases, comma-separated: \(SpeedCase.allCases.map(\.rawValue).joined(separator: ", "))."
    )
    var only: String?
    @Option(help: "Write the run as JSON lines to this file, after every case.") var save: String?
    @Flag(
        name: .customLong("continue"),
        help:
            "Go on with the interrupted run in the file of --save: cases measured on this machine with these sources and options are kept. A run that has all is made anew."
    )
    var goesOn = false
    @Option(help: "Show what changed against a run that --save wrote.") var compare: String?
    @Option(help: "Where models and batches of the cases are kept.") var work = ".cache/checks/speed"
    @Flag(help: "Print JSON lines instead of tables.") var json = false

    func validate() throws {
        guard epochBatches ?? 0 >= 0 else { throw ValidationError("--epoch-batches must be 0 or more") }
        guard !goesOn || save != nil else { throw ValidationError("--continue needs the file of --save") }
        _ = try cases()
    }

    private func cases() throws -> [SpeedCase] {
        guard let only else { return SpeedCase.allCases.filter { $0.isIn(form) } }
        return try only.split(separator: ",").map { name in
            guard let found = SpeedCase(rawValue: String(name)) else {
                throw ValidationError("--only: there is no case \"\(name)\"")
            }
            return found
        }
    }

    func run() throws {
        // Read first: a wrong file must not cost ten minutes.
        let earlier = try compare.map { try RunRecord(contentsOf: $0) }
        try FileManager.default.createDirectory(atPath: work, withIntermediateDirectories: true)
        let wanted = try cases()
        let setting = SpeedSetting(
            model: model, gemma: gemma, data: data, python: python, peer: peer, form: form,
            epochBatches: epochBatches, work: work)
        let suite = SpeedSuite(setting: setting, begun: try interruptedRun(setting, of: wanted))
        let clock = ContinuousClock()
        let start = clock.now
        for speedCase in wanted {
            if suite.record.has(speedCase) {
                note("\(speedCase.rawValue): kept from \(suite.record.machine.date)")
                continue
            }
            note("\(speedCase.rawValue), after \(start.duration(to: clock.now).components.seconds) s")
            try suite.run(speedCase)
            if let save { try AtomicFile.write(to: save, text: suite.record.jsonLines()) }
        }
        note("all, after \(start.duration(to: clock.now).components.seconds) s")
        print(json ? try suite.record.jsonLines() : suite.record.text, terminator: json ? "" : "\n")
        if let earlier {
            let text = suite.record.comparison(with: earlier)
            if json { note(text) } else { print("\n\(text)") }
        }
        let missed = suite.record.bars.filter { !$0.isMet }
        note("speed: \(suite.record.bars.count - missed.count) bars met, \(missed.count) missed")
        if !missed.isEmpty { throw ExitCode.failure }
    }

    /// What the file of `--save` has of a run like this one; nil where there is nothing to go on with.
    private func interruptedRun(_ setting: SpeedSetting, of wanted: [SpeedCase]) throws -> RunRecord? {
        guard goesOn, let save, FileManager.default.fileExists(atPath: save) else { return nil }
        let record = try RunRecord(contentsOf: save)
        return record.canGoOn(as: setting, on: .current(), with: wanted) ? record : nil
    }

    private func note(_ text: String) { FileHandle.standardError.write(Data("\(text)\n".utf8)) }
}

/// How much is measured.
enum SpeedForm: String, ExpressibleByArgument, CaseIterable { case quick, full }

/// The cases, in the order in which they run.
enum SpeedCase: String, CaseIterable {
    case kernels, step
    case bf16Peer = "bf16-peer"
    case sparsity, projections, gemma, billion, generation, growth, arithmetic, commonsense

    /// Whether a run takes it that names no cases.
    func isIn(_ form: SpeedForm) -> Bool {
        switch self {
        case .bf16Peer: false
        case .sparsity: form == .full
        default: true
        }
    }
}

/// What a run was told.
struct SpeedSetting {
    let model: String
    let gemma: String?
    let data: String?
    let python: String?
    let peer: String
    let form: SpeedForm
    let epochBatches: Int?
    let work: String

    var isQuick: Bool { form == .quick }
    /// Batches of each real data set; 0 for the whole epoch.
    var epochBatchLimit: Int { epochBatches ?? (isQuick ? 1 : 0) }

    var options: RunOptions {
        RunOptions(
            model: model, gemma: gemma, data: data, epochBatches: epochBatchLimit,
            peer: python == nil ? nil : peer)
    }
}
