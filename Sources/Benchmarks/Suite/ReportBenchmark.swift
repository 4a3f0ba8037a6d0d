// A saved run again: as a table, against another, or as the page of results.

internal import ArgumentParser
internal import FileSupport

struct ReportBenchmark: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "report",
        abstract: "Shows runs that speed saved, compares them, or writes the page of results.",
        discussion: """
              Benchmarks report speed.jsonl
              Benchmarks report now.jsonl --compare before.jsonl
              Benchmarks report speed.jsonl other-machine.jsonl --page docs/BENCHMARKS.md
            """)

    @Argument(help: "Files that --save wrote.") var files: [String]
    @Option(help: "Show what changed against this run.") var compare: String?
    @Option(help: "Write the runs as a Markdown page.") var page: String?

    func validate() throws {
        guard !files.isEmpty else { throw ValidationError("give a file that --save wrote") }
    }

    func run() throws {
        let records = try files.map { try RunRecord(contentsOf: $0) }
        if let page {
            let text = ([Self.introduction] + records.map(\.markdown)).joined(separator: "\n")
            try AtomicFile.write(to: page, text: text.hasSuffix("\n\n") ? String(text.dropLast()) : text)
            return
        }
        let earlier = try compare.map { try RunRecord(contentsOf: $0) }
        for record in records {
            print(record.text)
            if let earlier { print("\n\(record.comparison(with: earlier))") }
        }
    }

    private static let introduction = """
        # Benchmarks

        Written by `Benchmarks report --page` from a run of `make check-speed` or `make check-speed-full`; not edited by hand.

        Each program of a step case is a process of its own, and they take their steps in turns: a busy machine slows
        all of them. Seconds are medians of a step's rounds, for real data the sum of all batches. The peak is a loop of
        multiply-adds in registers on all cores, measured beside every step; a step's share of it counts the operations
        that its loss needs and no others. Peak memory is what the system saw of each process. Half the operations means
        a plan of contextual sparsity made by counting; what that does to quality is for `make check-quality` to say.
        `≥` marks a program that was stopped at a limit: its true value is no smaller.

        """
}
