// Everything that decides a training run, as one tree. Each default is stated here and nowhere else.

/// What a training run does: model, data, duration, optimizer, adapter and what is kept.
///
/// In files and on the command line the keys are the same names in snake case, e.g. `optimizer.learning_rate`;
/// see `ConfigurationLoader`.
public struct TrainingConfiguration: Codable, Equatable, Sendable {
    /// The base model: a Hugging Face folder or a GGUF file.
    public var model = ""
    /// The folder of this run: configuration, metrics, loss curve, checkpoints and adapter.
    public var outputFolder = "sparselora-run"
    /// Decides the order of examples, the adapter's first values and dropout.
    public var seed: UInt64 = 0
    /// The type that the base model computes in. Adapters and their moments are always f32.
    public var computeType = ComputeType.bfloat16
    /// Passes over the training data. Ignored when `steps` is given.
    public var epochs = 1.0
    /// Optimizer steps; nil means `epochs` decides.
    public var steps: Int?
    /// Sequences in one forward and backward pass.
    public var batchSize = 4
    /// Passes whose gradients make one optimizer step. The loss is averaged over all their labelled tokens.
    public var gradientAccumulation = 1
    /// Whether blocks keep only their inputs for the backward pass and run again in it: less memory for about a third
    /// more time. Results are the same to the bit.
    public var activationCheckpointing = false
    /// What to train on.
    public var data = DataSection()
    /// How gradients become updates.
    public var optimizer = OptimizerSection()
    /// How the learning rate moves.
    public var schedule = ScheduleSection()
    /// What is trained.
    public var adapter = AdapterSection()
    /// What the frozen model leaves out for prompts while training.
    public var sparsity = SparsitySection()
    /// How the run is judged while it goes on.
    public var validation = ValidationSection()
    /// What is kept to continue from.
    public var checkpoints = CheckpointSection()
    /// Records for replaying the run elsewhere.
    public var trace = TraceSection()
    /// Where the time goes.
    public var profile = ProfileSection()

    /// The defaults.
    public init() {}
}

/// The floating-point type of the frozen model and its activations.
public enum ComputeType: String, ConfigurationChoice {
    /// 8 exponent and 7 fraction bits, sums in f32.
    case bfloat16
    /// The reference: slower, and twice the memory.
    case float32
}

/// Training and validation data and how examples become sequences.
public struct DataSection: Codable, Equatable, Sendable {
    /// A JSON Lines or JSON file, or a folder that holds `train.jsonl` and perhaps `valid.jsonl`.
    public var training = ""
    /// A validation file; nil means the folder's `valid.jsonl` where `training` is a folder, else `validationShare`.
    public var validation: String?
    /// Held-out share of the training data (0..<1), or the number of examples (1 or more).
    public var validationShare = 0.0
    /// The format of the records; `automatic` finds it once for each file.
    public var format = DataFormat.automatic
    /// The most tokens of one sequence.
    public var sequenceLength = 2048
    /// What happens to an example with more tokens than that.
    public var overlong = OverlongChoice.drop
    /// Whether only the assistant's tokens count towards the loss; false trains on every token.
    public var maskPrompt = true

    /// The defaults.
    public init() {}
}

/// The format of a data file's records.
public enum DataFormat: String, ConfigurationChoice {
    /// Found from the first record.
    case automatic
    /// `{"messages": [{"role", "content"}]}`
    case chat
    /// `{"prompt", "completion"}`
    case completion
    /// `{"text"}`
    case text
    /// `{"instruction", "input", "output"}`
    case alpaca
    /// `{"conversations": [{"from", "value"}]}`
    case sharegpt
}

/// What happens to an example that is longer than the sequence length.
public enum OverlongChoice: String, ConfigurationChoice {
    /// Left out, and counted.
    case drop
    /// Cut at the end, and counted.
    case truncate
    /// Ends the run before its first step.
    case error
}

/// AdamW (Loshchilov and Hutter, arXiv 1711.05101) and gradient clipping.
public struct OptimizerSection: Codable, Equatable, Sendable {
    /// The largest learning rate; the schedule scales it.
    public var learningRate = 2e-4
    /// Decay of the mean of gradients.
    public var beta1 = 0.9
    /// Decay of the mean of squared gradients.
    public var beta2 = 0.999
    /// Added to the root of the second moment.
    public var epsilon = 1e-8
    /// Decoupled weight decay.
    public var weightDecay = 0.0
    /// Gradients whose global norm is larger are scaled down to it; 0 turns clipping off.
    public var maxGradientNorm = 1.0

    /// The defaults.
    public init() {}
}

/// The learning rate's course.
public struct ScheduleSection: Codable, Equatable, Sendable {
    /// The shape after warm-up.
    public var kind = LearningRateSchedule.Kind.linear
    /// Share of the steps that warm up, 0...1. Ignored when `warmupSteps` is given.
    public var warmupRatio = 0.03
    /// Steps that warm up from 0; nil means `warmupRatio` decides.
    public var warmupSteps: Int?
    /// Where linear and cosine end, as a share of the learning rate.
    public var minimumRatio = 0.0

    /// The defaults.
    public init() {}
}

/// LoRA (arXiv 2106.09685): which layers, and how large.
public struct AdapterSection: Codable, Equatable, Sendable {
    /// The inner width R of every low-rank pair.
    public var rank = 16
    /// The pair's output is scaled by alpha / rank.
    public var alpha = 32.0
    /// Share of the pair's input that is zeroed while training.
    public var dropout = 0.0
    /// Linear layers by name (`q_proj`), `all-linear`, or one regular expression for whole names. One that matches
    /// nothing is an error.
    public var targets = ["all-linear"]
    /// The blocks that get adapters, from 0; nil means all.
    public var layers: [Int]?
    /// Only the last so many blocks get adapters; nil means all.
    public var lastLayers: Int?
    /// Scale by alpha / sqrt(rank) instead (rsLoRA, arXiv 2312.03732).
    public var rankStabilised = false
    /// Ranks of some modules, before `rank`.
    public var rankPattern = ModulePatterns<Int>()
    /// Alphas of some modules, before `alpha`.
    public var alphaPattern = ModulePatterns<Double>()

    /// The defaults.
    public init() {}
}

/// Contextual sparsity (SparseLoRA, arXiv 2506.16500): see `SparsityPlan`.
public struct SparsitySection: Codable, Equatable, Sendable {
    /// `auto` for the cheapest plan within the loss bound, the share of plain LoRA's operations to spend as a number,
    /// e.g. `0.7`, or a plan's file; nil trains densely.
    public var plan: SparsityChoice?
    /// Which mode of a published plan file that has several.
    public var mode: String?
    /// With a plan of method `paper`: a folder of predictors in the published layout; nil makes them and keeps them in a
    /// cache.
    public var predictors: String?
    /// Context tokens that plans are measured and fitted on; nil for a thirty-second of the data, 2048 to 8192.
    public var calibrationTokens: Int?
    /// When a calibrated plan is fitted again, to the model as its adapter has made it by then: a fraction of the run's
    /// steps up to 1, above 1 a step; nil keeps the fit made before the first step.
    public var refitStep: Double?
    /// With `auto`: how much the loss of sparse passes may exceed that of dense ones, relative to it; in choosing the plan
    /// relative to one nat a token where the loss is higher.
    public var lossBound = 0.01
    /// With `auto` and budgets: whether plans must keep all gradients of what they compute, and save in the forward pass
    /// alone.
    public var exactGradients = false
    /// Steps between probes, which run one batch dense and sparse; 0 for none.
    public var probeInterval = 50

    /// The defaults.
    public init() {}
}

/// Validation while training.
public struct ValidationSection: Codable, Equatable, Sendable {
    /// Steps between validations; nil means at the end of every epoch. The last step always validates.
    public var interval: Int?
    /// The most validation batches each time; nil means all.
    public var batches: Int?
    /// Whether the adapter with the lowest validation loss is kept in the run folder's `best`.
    public var keepBest = true

    /// The defaults.
    public init() {}
}

/// Checkpoints to resume from.
public struct CheckpointSection: Codable, Equatable, Sendable {
    /// Steps between checkpoints; nil writes one only when the run is stopped.
    public var interval: Int?
    /// How many of the newest are kept.
    public var keep = 2

    /// The defaults.
    public init() {}
}

/// What is recorded so that another program can replay the run.
public struct TraceSection: Codable, Equatable, Sendable {
    /// JSON Lines with every step's sequences, labels, learning rate and loss; nil for none.
    public var file: String?
    /// A folder for the adapter as it is before the first step; nil for none.
    public var initialAdapter: String?

    /// The defaults.
    public init() {}
}

/// Where a step spends its time; see `StepProfile`.
public struct ProfileSection: Codable, Equatable, Sendable {
    /// The trace of the first steps, for Chrome's tracing viewer: `auto` for `profile.json` in the run's folder, or a
    /// path; nil profiles nothing and costs nothing.
    public var file: String?
    /// Steps that the trace holds, after the first.
    public var tracedSteps = 3

    /// The defaults.
    public init() {}

    /// `file` for the run's own folder.
    public static let automatic = "auto"
}
