// The command line: no logic of its own, and the only code that prints.

internal import ArgumentParser
internal import SparseLoRA

@main
struct SparseLoRACommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sparselora",
        abstract: "Fine-tunes language models on the machine you have.",
        discussion: """
            A first run, start to finish:

              sparselora inspect model.gguf
              sparselora train --model model.gguf --data train.jsonl --output runs/first
              sparselora chat --model model.gguf --adapter runs/first
              sparselora merge --model model.gguf --adapter runs/first --output merged

            Progress goes to standard error and results to standard output; --json makes results JSON.
            Exit codes: 0 done, 64 wrong usage, 65 wrong input (file, data, configuration), 70 the run failed,
            75 interrupted after a checkpoint.
            SPARSELORA_ISA and SPARSELORA_THREADS choose the instruction set and the number of threads.
            """,
        version: "0.1.0",
        subcommands: [
            TrainCommand.self, PlanSparsityCommand.self, GenerateCommand.self, ChatCommand.self,
            EvaluateCommand.self, MergeCommand.self, InspectCommand.self, LogitsCommand.self,
            RenderTemplateCommand.self,
        ])
}
