// sparselora merge: the adapter folded into the base, as a model folder of its own.

internal import ArgumentParser
internal import SparseLoRA

struct MergeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "merge",
        abstract: "Folds an adapter into its base model and writes a Hugging Face model folder.",
        discussion: """
              sparselora merge --model model.gguf --adapter runs/first --output merged

            The sum is made in f32 from the base's stored weights and rounded once to --dtype. The folder loads in
            transformers and in this tool.
            """)

    @Option(name: [.customShort("m"), .long], help: "The base model: a Hugging Face folder or a GGUF file.")
    var model: String
    @Option(
        name: [.customShort("a"), .long, .customLong("adapter-path")], help: "The folder of the adapter.")
    var adapter: String
    @Option(name: [.customShort("o"), .long], help: "The folder to write; it must not exist or be empty.")
    var output: String
    @Option(help: "Store weights as bfloat16 or float32.") var dtype = DataTypeOption.bfloat16

    func run() throws {
        try reportingFailures {
            try LanguageModel.merge(model: model, adapter: adapter, into: output, type: dtype.computeType)
            Output.line(output)
        }
    }
}
