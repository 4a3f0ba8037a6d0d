// The flags of training: each is one key of the configuration, so a flag and a file say the same thing.

internal import ArgumentParser
internal import SparseLoRA

struct TrainingFlags: ParsableArguments {
    @Option(
        name: [.customShort("c"), .long],
        help: ArgumentHelp("A YAML or JSON configuration; flags and --set go on top.", valueName: "file"))
    var config: String?

    @Option(
        name: .customLong("set"),
        help: ArgumentHelp(
            "Any configuration key, e.g. schedule.kind=cosine. Repeatable.", valueName: "key.path=value"))
    var assignments: [String] = []

    @Option(name: [.customShort("m"), .long], help: "The base model: a Hugging Face folder or a GGUF file.")
    var model: String?

    @Option(
        name: [.customShort("d"), .long],
        help: "Training data: JSON Lines, JSON, or a folder with train.jsonl (and valid.jsonl).")
    var data: String?

    @Option(
        name: [.customShort("o"), .long, .customLong("adapter-path")],
        help: "The folder that receives the adapter, metrics, loss curve and checkpoints.")
    var output: String?

    @Option(help: "Compute in bfloat16 or float32.") var dtype: DataTypeOption?
    @Option(help: "Rank of the adapter.") var rank: Int?
    @Option(help: "Adapter scale: alpha / rank.") var alpha: Double?
    @Option(help: "Share of the adapter's input dropped while training.") var dropout: Double?
    @Option(
        help: ArgumentHelp(
            "Layers to adapt, comma-separated: q_proj,v_proj, or all-linear, or a regular expression.",
            valueName: "names"))
    var targets: String?
    @Option(help: "Adapt only the last so many blocks.") var numLayers: Int?
    @Option(
        help: ArgumentHelp(
            "Leave work out for prompts (SparseLoRA): auto, the share of plain LoRA's operations to spend, e.g. 0.7, or a plan's file.",
            valueName: "auto|share|file"))
    var sparsity: String?
    @Option(help: "Sequences per batch.") var batchSize: Int?
    @Option(
        name: [.long, .customLong("grad-accumulation-steps")], help: "Batches whose gradients make one step.")
    var gradientAccumulation: Int?
    @Flag(
        name: [.long, .customLong("grad-checkpoint")],
        help: "Take less memory and more time: blocks run again in the backward pass. Same results.")
    var activationCheckpointing = false
    @Option(help: "Passes over the data.") var epochs: Double?
    @Option(name: [.customLong("iters"), .customLong("steps")], help: "Optimizer steps, instead of epochs.")
    var steps: Int?
    @Option(name: [.customLong("learning-rate"), .customLong("lr")], help: "Largest learning rate.")
    var learningRate: Double?
    @Option(help: "constant, linear or cosine.") var schedule: String?
    @Option(
        name: [.customLong("max-length"), .customLong("max-seq-length")], help: "Most tokens of one example.")
    var maxLength: Int?
    @Option(name: .customLong("steps-per-eval"), help: "Steps between validations.")
    var validationInterval: Int?
    @Option(name: .customLong("save-every"), help: "Steps between checkpoints.") var saveEvery: Int?
    @Option(help: "Decides data order, first adapter values and dropout.") var seed: UInt64?
    @Option(help: "Record every step's batch and loss, to replay the run elsewhere.") var trace: String?
    @Option(help: "Write the adapter as it is before the first step into this folder.")
    var saveInitialAdapter: String?

    @Option(
        defaultAsFlag: ProfileSection.automatic,
        help: ArgumentHelp(
            "Show where the steps spend their time, and write a trace for Chrome's tracing viewer.",
            valueName: "file"))
    var profile: String?

    func validate() throws {
        guard seed ?? 0 <= UInt64(Int.max) else { throw ValidationError("--seed must be at most \(Int.max)") }
    }

    /// The configuration that all of this adds up to.
    func configuration() throws -> TrainingConfiguration {
        var layers: [ConfigurationLayer] = []
        if let config { layers.append(try .file(config)) }
        for assignment in assignments { layers.append(try .assignment(assignment)) }
        func add(_ flag: String, _ path: String, _ value: JSONValue?) {
            guard let value else { return }
            layers.append(ConfigurationLayer(name: flag, path: path, value: value))
        }
        add("--model", "model", model.map(JSONValue.string))
        add("--data", "data.training", data.map(JSONValue.string))
        add("--output", "output_folder", output.map(JSONValue.string))
        add("--dtype", "compute_type", dtype.map { .string($0.rawValue) })
        add("--rank", "adapter.rank", rank.map(JSONValue.integer))
        add("--alpha", "adapter.alpha", alpha.map(JSONValue.number))
        add("--dropout", "adapter.dropout", dropout.map(JSONValue.number))
        add(
            "--targets", "adapter.targets",
            targets.map { .array($0.split(separator: ",").map { .string(String($0)) }) })
        add("--num-layers", "adapter.last_layers", numLayers.map(JSONValue.integer))
        add("--sparsity", "sparsity.plan", sparsity.map(JSONValue.string))
        add("--batch-size", "batch_size", batchSize.map(JSONValue.integer))
        add("--gradient-accumulation", "gradient_accumulation", gradientAccumulation.map(JSONValue.integer))
        add(
            "--activation-checkpointing", "activation_checkpointing",
            activationCheckpointing ? .bool(true) : nil)
        add("--epochs", "epochs", epochs.map(JSONValue.number))
        add("--iters", "steps", steps.map(JSONValue.integer))
        add("--learning-rate", "optimizer.learning_rate", learningRate.map(JSONValue.number))
        add("--schedule", "schedule.kind", schedule.map(JSONValue.string))
        add("--max-length", "data.sequence_length", maxLength.map(JSONValue.integer))
        add("--steps-per-eval", "validation.interval", validationInterval.map(JSONValue.integer))
        add("--save-every", "checkpoints.interval", saveEvery.map(JSONValue.integer))
        add("--seed", "seed", seed.map { .integer(Int($0)) })
        add("--trace", "trace.file", trace.map(JSONValue.string))
        add("--save-initial-adapter", "trace.initial_adapter", saveInitialAdapter.map(JSONValue.string))
        add("--profile", "profile.file", profile.map(JSONValue.string))
        return try TrainingConfiguration.resolve(layers)
    }
}
