// The benchmark executable: every speed that the project claims is measured here, against an opponent in the same run.

internal import ArgumentParser

@main
struct Benchmarks: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "Benchmarks",
        abstract:
            "Measures kernels and training steps against this machine's own ceilings, and against PEFT.",
        discussion: """
            Times are medians of rounds that alternate between the things compared. Build with -c release.

              Benchmarks kernels                  products, attention and passes over memory as shares of the ceilings
              Benchmarks step --model MODEL       one LoRA training step, dense or sparse
              Benchmarks decode --model MODEL     generation, token by token and a prompt at once
              Benchmarks speed --model MODEL      all bars, PEFT alternating; saves, compares
              Benchmarks report speed.jsonl       a saved run as a table or as the page of results
              Benchmarks startup --model MODEL    from opening the files to the first step
              Benchmarks tokenizer --model MODEL  a tokenizer's ids against a reference, and its speed
            """,
        subcommands: [
            KernelBenchmark.self, StepBenchmark.self, DecodeBenchmark.self, SpeedBenchmark.self,
            ReportBenchmark.self, StartupBenchmark.self, TokenizerBenchmark.self,
        ])
}
