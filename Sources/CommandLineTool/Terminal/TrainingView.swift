// A training run as a person or a program sees it.

internal import SparseLoRA

/// Turns events into a progress line and notes, or into JSON lines.
final class TrainingView {
    private let asJSON: Bool
    private var progress = ProgressLine()
    private var totalSteps = 0
    private var smoothedLoss: Double?

    init(asJSON: Bool) { self.asJSON = asJSON }

    /// What is about to happen, before the first step.
    func describe(_ run: FineTuning) {
        for line in run.description { Terminal.note(line) }
    }

    func show(_ event: TrainEvent) {
        if asJSON, let line = try? event.jsonLine() { Output.line(line) }
        switch event {
        case .started(let plan):
            totalSteps = plan.totalSteps
            Terminal.note(
                "\(plan.totalSteps) steps of \(plan.stepsPerEpoch) per epoch, "
                    + "\(plan.trainingExamples) examples, "
                    + "\(Format.count(plan.trainableParameters)) trainable parameters")
            if plan.completedSteps > 0 { Terminal.note("going on after step \(plan.completedSteps)") }
        case .step(let step):
            // As in the loss curve: one batch says little.
            let smoothed = smoothedLoss.map { 0.9 * $0 + 0.1 * step.loss } ?? step.loss
            smoothedLoss = smoothed
            progress.update(
                Double(step.step) / Double(max(totalSteps, 1)),
                "step \(step.step)/\(totalSteps)  loss \(Format.fixed(smoothed, 3))  "
                    + "\(Format.fixed(step.tokensPerSecond, 0)) tokens/s  "
                    + "\(Format.duration(step.secondsLeft)) left")
        case .validation(let validation):
            progress.clear()
            Terminal.note(
                "step \(validation.step): validation loss \(Format.fixed(validation.loss, 4)), "
                    + "perplexity \(Format.fixed(validation.perplexity, 2))"
                    + (validation.isBest ? ", the best so far" : ""))
        case .checkpointSaved(let step, let path):
            progress.clear()
            Terminal.note(Terminal.dim("step \(step): checkpoint \(path)"))
        case .warning(let text):
            progress.clear()
            Terminal.note("warning: \(text)")
        case .finished(let summary):
            progress.finish()
            finish(summary)
        }
    }

    private func finish(_ summary: TrainingSummary) {
        guard !summary.wasStopped else {
            Terminal.note(
                "stopped after step \(summary.steps) of \(summary.totalSteps); --resume goes on from there")
            return
        }
        Terminal.note(
            "\(summary.steps) steps in \(Format.duration(summary.seconds)), "
                + "\(Format.fixed(summary.tokensPerSecond, 0)) tokens/s, peak memory "
                + "\(Format.bytes(summary.memory.peakProcessBytes)), "
                + "last loss \(Format.fixed(summary.loss, 4))")
        if let best = summary.bestValidationLoss, let step = summary.bestStep {
            Terminal.note("best validation loss \(Format.fixed(best, 4)) at step \(step)")
        }
        if let adapter = summary.adapter { Terminal.note("adapter     \(adapter)") }
        Terminal.note("loss curve  \(summary.lossCurve)")
    }
}
