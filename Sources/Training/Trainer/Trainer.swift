// Drives a run: steps, validation, checkpoints, files. Emits events; prints nothing.

package import FileSupport
package import TensorEngine

/// Trains a model's parameters on tokenised examples, into a run folder.
///
/// Runs are deterministic for a configuration and its data, and a resumed run takes the same steps, bit for bit, as
/// one that was never stopped.
package final class Trainer<Model: TrainableModel> {
    private let configuration: TrainingConfiguration
    private let model: Model
    private let backend: any Backend
    private let folder: RunFolder
    private let validationBatches: [Batch]
    private let validationExamples: Int
    private let trainingExamples: Int
    private let onEvent: (TrainEvent) -> Void

    private let optimizer: AdamWOptimizer
    /// The parameters that gave the last finite loss.
    private let lastGood: ParameterSnapshot
    private let schedule: LearningRateSchedule
    private var plan: StepPlan
    private var step = 0
    private let firstStep: Int
    private var best: CheckpointState.Best?
    private var lastLoss = 0.0
    private var lastValidationLoss: Double?
    private let metrics: MetricsLog
    private let trace: TrainingTrace?
    private let profile: OperationProfile?

    private let clock = ContinuousClock()
    private var trainingSeconds = 0.0
    private var tokens = 0
    private var labelledTokens = 0
    private var speeds = SpeedComparison()

    /// Prepares the run folder and, to resume, restores everything that the run depends on.
    ///
    /// - Parameter profile: of the operations of `backend`; counts those of the steps, the first excepted where there
    ///   are more.
    /// - Throws: `InputError` when the folder holds another run, when there is nothing to resume, or when configuration
    ///   or data are not those of the run to resume.
    package init(
        _ configuration: TrainingConfiguration, model: Model, training: [TokenizedExample],
        validation: [TokenizedExample], start: RunStart, backend: any Backend,
        profile: OperationProfile? = nil, onEvent: @escaping (TrainEvent) -> Void
    ) throws(InputError) {
        precondition(!model.parameters.isEmpty, "Trainer: the model has no trainable parameters")
        guard !training.isEmpty else {
            throw InputError(configuration.data.training, "there are no examples to train on")
        }
        self.configuration = configuration
        self.model = model
        self.backend = backend
        self.profile = profile
        self.onEvent = onEvent
        let folder = RunFolder(configuration.outputFolder)
        self.folder = folder
        trainingExamples = training.count
        validationExamples = validation.count
        validationBatches = Self.batches(of: validation, configuration)
        optimizer = AdamWOptimizer(model.parameters, settings: configuration.optimizer, backend: backend)

        let options = configuration.batchOptions
        var metricsBytes = 0
        var traceBytes = 0
        if start == .resume {
            guard let newest = folder.checkpointSteps.last else {
                throw InputError(folder.path, "there is no checkpoint to resume from")
            }
            let path = folder.checkpoint(step: newest)
            try Checkpoint.check(configuration, resuming: path)
            let state = try Checkpoint.readState(path)
            let stream = try BatchStream(training, options: options, resumingAt: state.cursor, location: path)
            try Checkpoint.restore(optimizer, step: state.step, from: path, backend: backend)
            plan = StepPlan(stream, configuration: configuration)
            step = state.step
            best = state.best
            lastLoss = state.lastLoss
            lastValidationLoss = state.lastValidationLoss
            (metricsBytes, traceBytes) = (state.metricsBytes, state.traceBytes)
        } else {
            plan = StepPlan(BatchStream(training, options: options), configuration: configuration)
        }
        firstStep = step
        try folder.prepare(start)
        metrics = try MetricsLog(path: folder.metrics, keptCount: metricsBytes)
        if let path = configuration.trace.file {
            trace = try TrainingTrace(
                path: path, keptCount: traceBytes, optimizer: configuration.optimizer)
        } else {
            trace = nil
        }
        schedule = LearningRateSchedule(configuration, totalSteps: plan.totalSteps)
        lastGood = ParameterSnapshot(model.parameters, backend: backend)
    }

    /// Runs to the last step, or until a stop is requested.
    ///
    /// - Throws: `InputError` when a file cannot be written; `TrainingFailure` when loss or gradients stop being finite,
    ///   after saving the last good adapter.
    package func run(stop: StopSignal = StopSignal()) throws -> TrainingSummary {
        let start = clock.now
        try Checkpoint.write(configuration.document, to: folder.configuration)
        try model.writeRunFiles(to: folder.path)
        if step == 0 { try recordSparsity() }
        onEvent(.started(startingPlan))
        if let path = configuration.trace.initialAdapter, step == 0 { try save(to: path) }
        while step < plan.totalSteps, !stop.isRequested {
            try takeStep()
            if shouldValidate { try validate() }
            let isLast = step == plan.totalSteps
            if let interval = configuration.checkpoints.interval, step % interval == 0, !isLast {
                try writeCheckpoint()
                try writeLossCurve()
            }
        }
        let wasStopped = step < plan.totalSteps
        if wasStopped { try writeCheckpoint() } else { try save(to: folder.adapter) }
        try writeLossCurve()
        try writeProfile()
        let summary = summary(wasStopped: wasStopped, seconds: Self.seconds(clock.now - start))
        try Checkpoint.write(ConfigurationEncoder.encode(summary), to: folder.summary)
        onEvent(.finished(summary))
        return summary
    }

    private func takeStep() throws {
        try refit()
        let start = clock.now
        if step == firstStep + 1 { profile?.reset() }
        profile?.beginStep("step \(step + 1)")
        let batches = plan.next()
        let rate = schedule.rate(completedSteps: step)
        model.prepare(step: step, of: plan.totalSteps)
        step += 1
        let result: StepResult
        do throws(StepProblem) {
            result = try model.accumulateGradients(
                of: batches, into: optimizer, backend: backend, profile: profile
            ) {
                batch in
                plan.dropoutSeed(step: step, batch: batch)
            }
        } catch {
            throw try failure(error)
        }
        lastGood.take()
        optimizer.update(learningRate: rate, norm: result.gradientNorm)
        profile?.endStep()
        let seconds = Self.seconds(clock.now - start)
        trainingSeconds += seconds
        tokens += result.tokens
        labelledTokens += result.labelledTokens
        lastLoss = result.loss
        try trace?.append(step: step, loss: result.loss, learningRate: rate, batches: batches)
        let sparsity = model.sparsity(of: batches)
        if let sparsity { speeds.add(sparsity, seconds: seconds) }
        let meanSeconds = trainingSeconds / Double(step - firstStep)
        let record = StepMetrics(
            step: step, epoch: plan.epochs, loss: result.loss, learningRate: rate,
            gradientNorm: result.gradientNorm, tokens: result.tokens, labelledTokens: result.labelledTokens,
            tokensPerSecond: Double(result.tokens) / max(seconds, 1e-9), seconds: seconds, memory: .current,
            secondsLeft: meanSeconds * Double(plan.totalSteps - step), sparsity: sparsity)
        try metrics.append(record)
        onEvent(.step(record))
        if let batch = batches.first, let probe = try model.probe(batch, step: step) {
            try metrics.append(probe)
            onEvent(.sparsityProbe(probe))
            if probe.newScale != nil { try recordSparsity() }
        }
    }

    /// Not a part of a step's time: it happens once.
    private func refit() throws(InputError) {
        let start = clock.now
        let isRefitted = try model.refit(step: step, of: plan.totalSteps) { onEvent(.refitting($0)) }
        guard isRefitted else { return }
        let record = SparsityRefit(step: step, seconds: Self.seconds(clock.now - start))
        try metrics.append(record)
        onEvent(.sparsityRefit(record))
    }

    private func recordSparsity() throws(InputError) {
        if let report = model.sparsityReport(step: step) { try metrics.append(report) }
    }

    /// Saves the last good adapter and says what happened.
    private func failure(_ problem: StepProblem) throws(InputError) -> any Error {
        optimizer.clearGradients()
        let text: String
        switch problem {
        case .input(let error): return error
        case .loss(let value):
            // The parameters of now gave this loss, so those of the step before are the last good ones.
            lastGood.restore()
            text = "the loss is \(value), not a number to train on"
        case .gradient(let value): text = "the gradient's norm is \(value), although the loss is finite"
        }
        try save(to: folder.adapter)
        try writeLossCurve()
        return TrainingFailure(step: step, problem: text, savedAdapter: folder.adapter)
    }

    private var shouldValidate: Bool {
        guard !validationBatches.isEmpty else { return false }
        if step == plan.totalSteps { return true }
        return configuration.validation.interval.map { step % $0 == 0 } ?? plan.isAtEpochEnd
    }

    private func validate() throws(InputError) {
        let start = clock.now
        let (loss, count) = try model.meanLoss(of: validationBatches, backend: backend)
        let isBest = loss.isFinite && loss < best?.loss ?? .infinity
        lastValidationLoss = loss
        if isBest {
            best = CheckpointState.Best(step: step, loss: loss)
            if configuration.validation.keepBest { try save(to: folder.best) }
        }
        if !loss.isFinite {
            onEvent(
                .warning("the validation loss after step \(step) is \(loss); it is not in the loss curve"))
        }
        let record = ValidationMetrics(
            step: step, loss: loss, labelledTokens: count, isBest: isBest,
            seconds: Self.seconds(clock.now - start))
        if loss.isFinite { try metrics.append(record) }
        onEvent(.validation(record))
        try writeLossCurve()
    }

    private func writeCheckpoint() throws(InputError) {
        try RunFolder.create(folder.checkpoints)
        let path = folder.checkpoint(step: step)
        let state = CheckpointState(
            step: step, cursor: plan.stream.cursor, best: best, lastLoss: lastLoss,
            lastValidationLoss: lastValidationLoss, metricsBytes: metrics.position,
            traceBytes: trace?.position ?? 0, sparsity: model.sparsityProgress)
        try Checkpoint.write(
            to: path, state: state, configuration: configuration, optimizer: optimizer,
            fitted: model.fittedParameters, backend: backend
        ) { folder throws(InputError) in try model.saveAdapter(to: folder) }
        try folder.keepNewestCheckpoints(configuration.checkpoints.keep)
        onEvent(.checkpointSaved(step: step, path: path))
    }

    private func save(to path: String) throws(InputError) {
        try RunFolder.replace(path) { folder throws(InputError) in try model.saveAdapter(to: folder) }
    }

    private func writeLossCurve() throws(InputError) {
        let name = folder.path.split(separator: "/").last.map(String.init) ?? "run"
        try AtomicFile.write(
            to: folder.lossCurve, text: LossCurveSVG(metrics.curve, title: "Loss of \(name)").text)
    }

    private func writeProfile() throws(InputError) {
        guard let profile, profile.stepCount > 0, let file = configuration.profile.file else { return }
        let path = file == ProfileSection.automatic ? folder.profile : file
        try ProfileTrace(profile, processor: backend.description).write(to: path)
        onEvent(.profiled(StepProfile(profile, trace: path)))
    }

    private var startingPlan: TrainingPlan {
        TrainingPlan(
            totalSteps: plan.totalSteps, completedSteps: step, stepsPerEpoch: plan.stepsPerEpoch,
            trainingExamples: trainingExamples, validationExamples: validationExamples,
            trainableParameters: model.parameters.reduce(0) { $0 + $1.value.count }, folder: folder.path)
    }

    private func summary(wasStopped: Bool, seconds: Double) -> TrainingSummary {
        TrainingSummary(
            steps: step, totalSteps: plan.totalSteps, wasStopped: wasStopped, loss: lastLoss,
            validationLoss: lastValidationLoss, bestValidationLoss: best?.loss, bestStep: best?.step,
            tokens: tokens, labelledTokens: labelledTokens,
            tokensPerSecond: trainingSeconds > 0 ? Double(tokens) / trainingSeconds : 0, seconds: seconds,
            memory: .current, adapter: wasStopped ? nil : folder.adapter,
            bestAdapter: best != nil && configuration.validation.keepBest ? folder.best : nil,
            checkpoint: wasStopped ? folder.checkpoint(step: step) : nil, lossCurve: folder.lossCurve,
            sparsity: speeds.summary)
    }

    private static func batches(
        of examples: [TokenizedExample], _ configuration: TrainingConfiguration
    ) -> [Batch] {
        guard !examples.isEmpty else { return [] }
        var stream = BatchStream(
            examples, options: BatchOptions(sequences: configuration.batchSize, shuffles: false))
        let count = min(stream.batchCount(epoch: 0), configuration.validation.batches ?? .max)
        return (0..<count).map { _ in stream.next() }
    }

    private static func seconds(_ duration: Duration) -> Double {
        Double(duration.components.seconds) + Double(duration.components.attoseconds) * 1e-18
    }
}
