// Which model, adapter and precision: the flags that several commands share.

internal import ArgumentParser
internal import SparseLoRA

struct ModelOptions: ParsableArguments {
    @Option(
        name: [.customShort("m"), .long],
        help: ArgumentHelp("A Hugging Face model folder or a GGUF file.", valueName: "path"))
    var model: String

    @Option(
        name: [.customShort("a"), .long, .customLong("adapter-path")],
        help: ArgumentHelp(
            "A folder with a PEFT adapter, such as a run's output folder.", valueName: "folder"))
    var adapter: String?

    @Option(help: "Compute in bfloat16 or float32.")
    var dtype = DataTypeOption.bfloat16

    /// Loads what the flags name.
    func load() throws -> LanguageModel {
        let model = try LanguageModel(path: model, computeType: dtype.computeType)
        if let adapter { try model.useAdapter(at: adapter) }
        return model
    }
}

enum DataTypeOption: String, ExpressibleByArgument, CaseIterable {
    case bfloat16
    case float32

    var computeType: ComputeType { self == .bfloat16 ? .bfloat16 : .float32 }
}
