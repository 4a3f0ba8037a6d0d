// The benchmark executable: every speed that the project claims is measured here, against an opponent in the same run.

internal import ArgumentParser

@main
struct Benchmarks: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "Benchmarks",
        abstract: "Measures kernels and training steps against this machine's own ceilings.",
        discussion: """
            Times are medians of rounds that alternate between the things compared. Build with -c release.

              Benchmarks gemm --check     matrix products of real models against the measured peak
              Benchmarks step MODEL       one LoRA training step
              Benchmarks sparse-step ...  a sparse step against a dense one and what their operations predict
              Benchmarks startup MODEL    from opening the files to the first step's loss
              Benchmarks tokenizer ...    a tokenizer's ids against a reference, and its speed
            """,
        subcommands: [
            GemmBenchmark.self, StepBenchmark.self, SparseStepBenchmark.self, StartupBenchmark.self,
            TokenizerBenchmark.self,
        ])
}
