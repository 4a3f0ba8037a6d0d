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
        progress.clear()
        for line in run.description { Terminal.note(line) }
        if let set = LanguageModel.hiddenInstructionSet {
            Terminal.note(
                "note: this processor runs \(set) faster, but does not announce it, as some virtual machines do not. "
                    + "SPARSELORA_ISA=\(set) uses it")
        }
    }

    /// While a sparsity plan is made.
    func show(_ planning: PlanningProgress) {
        progress.update(planning.share, "sparsity plan: \(planning.stage)")
    }

    private static func text(_ probe: SparsityProbe) -> String {
        var text =
            "step \(probe.step): sparse pass \(Format.fixed(100 * probe.gap, 1)) ± "
            + "\(Format.fixed(100 * probe.gapError, 1))% from the dense loss "
            + Format.fixed(probe.denseLoss, 3)
        if let overlap = probe.overlap {
            text += ", \(Format.fixed(100 * overlap, 0))% of an oracle's channels"
        }
        if let scale = probe.newScale {
            text +=
                scale > 0
                ? "; too far: shares scaled by \(scale) from now on" : "; too far: dense from now on"
        }
        return text
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
        case .sparsityProbe(let probe):
            progress.clear()
            Terminal.note(Self.text(probe))
        case .refitting(let planning): show(planning)
        case .sparsityRefit(let refit):
            progress.clear()
            Terminal.note(
                "step \(refit.step): sparsity fitted to the adapter of now, in \(Format.duration(refit.seconds))"
            )
        case .checkpointSaved(let step, let path):
            progress.clear()
            Terminal.note(Terminal.dim("step \(step): checkpoint \(path)"))
        case .warning(let text):
            progress.clear()
            Terminal.note("warning: \(text)")
        case .profiled(let profile):
            progress.finish()
            for line in profile.table { Terminal.note(line) }
            Terminal.note("trace       \(profile.trace), for chrome://tracing or Perfetto")
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
        if let sparsity = summary.sparsity {
            let realised =
                sparsity.realisedSpeedUp.map { "\(Format.fixed($0, 2))x realised" }
                ?? "too few dense steps to tell the realised one"
            Terminal.note(
                "sparse steps took \(Format.fixed(100 * sparsity.flopShare, 0))% of plain LoRA's operations: "
                    + "\(Format.fixed(sparsity.expectedSpeedUp, 2))x expected, \(realised)")
        }
        if let best = summary.bestValidationLoss, let step = summary.bestStep {
            Terminal.note("best validation loss \(Format.fixed(best, 4)) at step \(step)")
        }
        if let adapter = summary.adapter { Terminal.note("adapter     \(adapter)") }
        Terminal.note("loss curve  \(summary.lossCurve)")
    }
}
