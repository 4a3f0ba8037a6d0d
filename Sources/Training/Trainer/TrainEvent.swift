// What a run tells whoever watches it.

/// Something that happened in a training run. Values only: the run prints nothing.
public enum TrainEvent: Sendable, Equatable {
    /// The run is about to take its first step.
    case started(TrainingPlan)
    /// A step is done.
    case step(StepMetrics)
    /// The validation data was scored.
    case validation(ValidationMetrics)
    /// A batch was run dense and sparse.
    case sparsityProbe(SparsityProbe)
    /// The plan of a sparse run is being fitted again.
    case refitting(PlanningProgress)
    /// It was.
    case sparsityRefit(SparsityRefit)
    /// A checkpoint to resume from is on disk.
    case checkpointSaved(step: Int, path: String)
    /// Something that the user should know and that does not stop the run.
    case warning(String)
    /// Where the steps spent their time, when that was asked for.
    case profiled(StepProfile)
    /// The run is over: complete, or stopped on request.
    case finished(TrainingSummary)
}

/// What a run is going to do.
public struct TrainingPlan: Codable, Sendable, Equatable {
    /// Steps of the whole run.
    public var totalSteps: Int
    /// Steps already done by the run that this one resumes.
    public var completedSteps: Int
    /// Steps of one pass over the data.
    public var stepsPerEpoch: Int
    /// Examples to train on.
    public var trainingExamples: Int
    /// Examples to validate with.
    public var validationExamples: Int
    /// Numbers that are trained.
    public var trainableParameters: Int
    /// The run's folder.
    public var folder: String
}

/// What one step did.
public struct StepMetrics: Codable, Sendable, Equatable {
    /// The step's number, from 1.
    public var step: Int
    /// Passes over the data so far, as a fraction.
    public var epoch: Double
    /// Mean loss over the step's labelled tokens, in nats.
    public var loss: Double
    /// The learning rate of the update.
    public var learningRate: Double
    /// Norm of all gradients before clipping.
    public var gradientNorm: Double
    /// Tokens that went through the model.
    public var tokens: Int
    /// Tokens that counted towards the loss.
    public var labelledTokens: Int
    /// Tokens that went through the model in a second.
    public var tokensPerSecond: Double
    /// Wall-clock seconds of the step.
    public var seconds: Double
    /// Memory so far.
    public var memory: MemoryUse
    /// Estimated seconds until the last step is done.
    public var secondsLeft: Double
    /// What the step left out; nil in runs without sparsity.
    public var sparsity: StepSparsity?
}

/// One scoring of the validation data.
public struct ValidationMetrics: Codable, Sendable, Equatable {
    /// Steps done before it.
    public var step: Int
    /// Mean loss over the labelled tokens, in nats.
    public var loss: Double
    /// Tokens that counted.
    public var labelledTokens: Int
    /// Whether this is the lowest loss so far.
    public var isBest: Bool
    /// Wall-clock seconds.
    public var seconds: Double

    /// e to the loss.
    public var perplexity: Double { TrainingArithmetic.exponential(loss) }
}

/// What a run did.
public struct TrainingSummary: Codable, Sendable, Equatable {
    /// Steps done in all, those of the resumed run included.
    public var steps: Int
    /// Steps that the run was meant to have.
    public var totalSteps: Int
    /// Whether it was stopped on request before its last step.
    public var wasStopped: Bool
    /// Loss of the last step.
    public var loss: Double
    /// The last validation loss.
    public var validationLoss: Double?
    /// The lowest validation loss.
    public var bestValidationLoss: Double?
    /// The step of the lowest validation loss.
    public var bestStep: Int?
    /// Tokens that went through the model, since this start.
    public var tokens: Int
    /// Tokens that counted towards the loss, since this start.
    public var labelledTokens: Int
    /// Tokens in a second of training time, validation and saving apart, since this start.
    public var tokensPerSecond: Double
    /// Wall-clock seconds since this start, everything included.
    public var seconds: Double
    /// Memory at most.
    public var memory: MemoryUse
    /// The trained adapter's folder; nil when the run was stopped.
    public var adapter: String?
    /// The folder of the adapter with the lowest validation loss, when there is one.
    public var bestAdapter: String?
    /// The checkpoint to resume from, when the run was stopped.
    public var checkpoint: String?
    /// The loss curve.
    public var lossCurve: String
    /// What sparsity gained; nil when no step was sparse.
    public var sparsity: SparsitySummary?
}
