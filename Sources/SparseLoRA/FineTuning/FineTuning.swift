// A training run from a configuration: loads, prepares, trains.

internal import Adapters
internal import ChatTemplates
internal import ContextualSparsity
public import FileSupport
internal import Models
internal import TensorEngine
internal import Tokenization
public import Training

/// One fine-tuning run: everything that a configuration names is opened and checked here, before the first step.
public final class FineTuning {
    /// What the run was told to do.
    public let configuration: TrainingConfiguration
    /// The model; after the run it carries the trained adapter.
    public let model: LanguageModel
    /// What became of the training data.
    public let trainingData: DatasetReport
    /// What became of the validation data; nil when there is none or it was split off the training data.
    public let validationData: DatasetReport?
    /// What sparse steps leave out and gain, a fact a line, or why there are none; empty when nobody asked.
    public let sparsityNotes: [String]
    private let start: RunStart
    private let trainable: AdaptedModel
    private let trainingExamples: [TokenizedExample]
    private let validationExamples: [TokenizedExample]
    private let profile: OperationProfile?

    /// Opens model and data and puts fresh adapters into the model.
    ///
    /// - Parameters:
    ///   - configuration: what to do; a model and training data must be named.
    ///   - start: a new run, one that replaces what is in the output folder, or the continuation of a run.
    ///   - onPlanning: called while a sparsity plan is made, which may take minutes.
    /// - Throws: `InputError` naming file, line, key or tensor.
    public init(
        _ configuration: TrainingConfiguration, start: RunStart = .new,
        onPlanning: @escaping (PlanningProgress) -> Void = { _ in }
    ) throws(InputError) {
        guard !configuration.model.isEmpty else {
            throw InputError("configuration key model", "no model is given", advice: "Name one with --model.")
        }
        guard !configuration.data.training.isEmpty else {
            throw InputError(
                "configuration key data.training", "no data is given", advice: "Name some with --data.")
        }
        try configuration.validate()
        self.configuration = configuration
        self.start = start
        // Cheap checks first: a typing error in the data must not wait for a large model.
        let paths = try DatasetPaths(path: configuration.data.training)
        let source = try ModelSource(path: configuration.model)
        let tokenizer = try LanguageModel.tokenizer(of: source)
        let encoder = ExampleEncoder(
            tokenizer: tokenizer,
            template: try LanguageModel.chatTemplate(of: tokenizer, path: configuration.model),
            options: DatasetOptions(configuration.data))
        let training = try Dataset(path: paths.train, encoder: encoder)
        trainingData = training.report
        if let path = configuration.data.validation ?? paths.valid {
            let validation = try Dataset(path: path, encoder: encoder)
            validationData = validation.report
            (trainingExamples, validationExamples) = (training.examples, validation.examples)
        } else {
            validationData = nil
            (trainingExamples, validationExamples) = Self.split(
                training.examples, share: configuration.data.validationShare, seed: configuration.seed)
        }
        guard !trainingExamples.isEmpty else {
            throw InputError(paths.train, "no example is left to train on")
        }
        let profiler =
            configuration.profile.file == nil
            ? nil
            : ProfilingBackend(
                CPUBackend(), profile: OperationProfile(tracedSteps: configuration.profile.tracedSteps))
        profile = profiler?.profile
        model = try LanguageModel(
            source, tokenizer: tokenizer, computeType: configuration.computeType,
            backend: profiler ?? CPUBackend())
        trainable = try AdaptedModel(model.decoder, configuration: configuration)
        model.adapter = trainable.adapters
        if let profiler { model.decoder.nameWeights(in: profiler) }
        let plan = MemoryPlan(
            model.decoder, adapters: trainable.adapters, examples: trainingExamples,
            batchSize: configuration.batchSize, checkpointing: configuration.activationCheckpointing)
        try plan.check(loadedBytes: plan.weightBytes, location: configuration.model)
        guard let choice = configuration.sparsity.plan else {
            sparsityNotes = []
            return
        }
        let folder = RunFolder(configuration.outputFolder)
        var request = TrainingSparsity.Request(
            choice: choice, section: configuration.sparsity,
            batchOptions: configuration.batchOptions,
            fingerprint: try ModelFingerprint.of(source), parameters: trainable.parameters)
        if start == .resume, let newest = folder.checkpointSteps.last {
            // Made anew, the plan could differ: the run goes on with its own.
            if FileStatus(path: folder.sparsityPlan) == .file {
                request.resumedPlan = try SparsityPlan(contentsOf: folder.sparsityPlan)
            }
            let checkpoint = folder.checkpoint(step: newest)
            request.progress = try Checkpoint.readState(checkpoint).sparsity ?? request.progress
            // The trainer gives parameters their present values afterwards.
            if request.progress.fitStep != nil {
                try Checkpoint.restoreFitted(
                    trainable.parameters, from: checkpoint, backend: model.decoder.backend)
            }
        }
        let prepared = try TrainingSparsity.prepared(
            request, model: model.decoder, examples: trainingExamples, onProgress: onPlanning)
        trainable.sparsity = prepared.sparsity
        sparsityNotes = prepared.notes
    }

    /// Trains to the last step, or until `stop` is requested.
    ///
    /// - Parameters:
    ///   - stop: ends the run after its current step, with a checkpoint.
    ///   - onEvent: called after every step and whenever a file was written.
    /// - Returns: what the run did, and where its files are.
    /// - Throws: `InputError` when a file cannot be read or written, `TrainingFailure` when the loss stops being finite.
    @discardableResult
    public func run(
        stop: StopSignal = StopSignal(), onEvent: @escaping (TrainEvent) -> Void = { _ in }
    ) throws -> TrainingSummary {
        let trainer = try Trainer(
            configuration, model: trainable, training: trainingExamples, validation: validationExamples,
            start: start, backend: model.decoder.backend, profile: profile, onEvent: onEvent)
        return try trainer.run(stop: stop)
    }

    /// For plans on the run's model and data.
    ///
    /// - Parameter share: of plain LoRA's operations, which they will spend; nil for plans within a bound.
    func planner(
        spending share: Double?, onProgress: @escaping (PlanningProgress) -> Void
    ) throws(InputError) -> SparsityPlanner {
        try SparsityPlanner(
            model.decoder, fingerprint: try ModelFingerprint.of(model.source), examples: trainingExamples,
            section: configuration.sparsity, spending: share,
            batchOptions: configuration.batchOptions,
            onProgress: onProgress)
    }

    /// What is about to be trained, a fact a line.
    public var description: [String] {
        var lines = [
            "model    \(configuration.model): \(model.source.family.modelType), \(model.parameterCount) parameters, "
                + configuration.computeType.rawValue,
            "kernels  \(model.decoder.backend.description)",
            "adapter  rank \(configuration.adapter.rank), alpha \(configuration.adapter.alpha), "
                + "\(trainable.adapters.adapters.count) layers, \(trainable.adapters.parameterCount) parameters",
            "data     \(trainingData.summary)",
        ]
        lines.insert(
            contentsOf: sparsityNotes.enumerated().map { ($0 == 0 ? "sparsity " : "         ") + $1 }, at: 3)
        let rows = StepRows(countedIn: trainingExamples, options: configuration.batchOptions)
        let shared = 1 - Double(rows.rowCount) / Double(max(1, rows.tokenCount))
        if shared >= 0.01, trainable.sparsity?.plan.allowsSharedPrefixes ?? true {
            lines.append(
                "         \(Int((100 * shared).rounded()))% of its tokens are beginnings that a batch's sequences share, "
                    + "computed once")
        }
        if let validationData {
            lines.append("         \(validationData.summary)")
        } else if !validationExamples.isEmpty {
            lines.append("         \(validationExamples.count) of these held out for validation")
        }
        return lines
    }

    /// Holds some examples out: a share of them below 1, a number of them from 1 on.
    private static func split(
        _ examples: [TokenizedExample], share: Double, seed: UInt64
    ) -> (training: [TokenizedExample], validation: [TokenizedExample]) {
        guard share > 0 else { return (examples, []) }
        let wanted = share < 1 ? (Double(examples.count) * share).rounded(.up) : share.rounded()
        let count = Int(min(wanted, Double(examples.count)))
        // A stream of its own: which examples are held out says nothing about the order of the others.
        var random = SeededGenerator(seed: seed, stream: .max)
        let heldOut = Set(random.shuffled(Array(examples.indices)).prefix(count))
        return (
            examples.indices.filter { !heldOut.contains($0) }.map { examples[$0] },
            examples.indices.filter { heldOut.contains($0) }.map { examples[$0] }
        )
    }
}

extension DatasetReport {
    /// One line for people.
    var summary: String {
        var text =
            "\(path): \(format.rawValue), \(examplesKept) examples, \(tokens) tokens, \(labelledTokens) trained"
        if overlongDropped > 0 { text += ", \(overlongDropped) left out as too long" }
        if truncated > 0 { text += ", \(truncated) cut" }
        if unlabelledDropped > 0 { text += ", \(unlabelledDropped) without a trained token left out" }
        return text
    }
}
