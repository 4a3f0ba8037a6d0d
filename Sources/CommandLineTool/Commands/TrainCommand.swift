// sparselora train: fine-tunes an adapter.

internal import ArgumentParser
internal import Foundation
internal import SparseLoRA

struct TrainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "train",
        abstract: "Fine-tunes a model with LoRA.",
        discussion: """
              sparselora train --model model.gguf --data train.jsonl --output runs/first
              sparselora train -c run.yaml --set optimizer.learning_rate=1e-4 --iters 500
              sparselora train -c run.yaml --resume
              sparselora train -c run.yaml --iters 10 --profile

            Data is chat, prompt and completion, text, alpaca or sharegpt JSON Lines, told apart by the first record;
            only the assistant's tokens are trained. The output folder holds the adapter in PEFT's format, with
            configuration.json, metrics.jsonl, loss.svg and checkpoints beside it. Keys of a configuration file are
            shown by --print-config; names that axolotl, transformers and mlx-lm use are understood.
            Ctrl-C finishes the step, writes a checkpoint and exits with 75; --resume goes on exactly there.
            """)

    @OptionGroup var flags: TrainingFlags

    @Flag(help: "Go on from the newest checkpoint in the output folder.") var resume = false
    @Flag(help: "Replace the run that is in the output folder.") var overwrite = false
    @Flag(help: "Print events as JSON lines on standard output.") var json = false
    @Flag(help: "Print the resolved configuration as JSON and stop.") var printConfig = false

    func validate() throws {
        guard !(resume && overwrite) else {
            throw ValidationError("--resume and --overwrite exclude each other.")
        }
    }

    func run() throws {
        try reportingFailures {
            let configuration = try flags.configuration()
            if printConfig {
                Output.line(configuration.document.serialized(pretty: true))
                return
            }
            let stop = StopOnSignal.install()
            let view = TrainingView(asJSON: json)
            let run = try FineTuning(
                configuration, start: resume ? .resume : overwrite ? .overwrite : .new
            ) { view.show($0) }
            view.describe(run)
            let summary = try run.run(stop: stop) { view.show($0) }
            if summary.wasStopped { throw ExitReason.interrupted }
        }
    }
}
