// From what the user asked for to a sparsity that is ready to run.

package import ContextualSparsity
package import FileSupport
package import Models
package import TensorEngine

/// Makes the policies that run plans.
struct SparsityPolicies {
    let model: CausalLM
    /// Of the model: see `ModelFingerprint`.
    let fingerprint: String
    let sample: SparsitySample
    let section: SparsitySection
    /// Of method random.
    let seed: UInt64
    /// What is trained.
    let parameters: [Parameter]

    /// - Parameter seesAdapters: whether a calibrated plan is fitted to the model as its adapters have made it.
    /// - Returns: the policy, and a line for people where something was made that stays.
    func policy(
        _ plan: SparsityPlan, seesAdapters: Bool = false, onProgress: (PlanningProgress) -> Void = { _ in }
    ) throws(InputError) -> (policy: any SparsityPolicy, note: String?) {
        guard plan.method == .calibrated else {
            onProgress(PlanningProgress(stage: "reading or making predictors", share: 0))
            return try ScoredSparsity.prepared(
                model, fingerprint: fingerprint, plan: plan, predictorFolder: section.predictors, seed: seed)
        }
        let recorded = try InputRecorder(
            model, sample: sample.sequences, plan: plan, rowLimit: sample.contextTokens,
            seesAdapters: seesAdapters
        ) { onProgress(PlanningProgress(stage: "reading the sample", share: $0)) }
        let policy = try CalibratedSparsity(model, plan: plan, recorded: recorded) {
            onProgress(PlanningProgress(stage: "fitting the plan", share: $0))
        }
        return (policy, nil)
    }
}

extension TrainingSparsity {
    /// What a run needs to know to make its sparsity.
    package struct Request {
        package var choice: SparsityChoice
        package var section: SparsitySection
        package var batchOptions: BatchOptions
        /// Of the model: see `ModelFingerprint`.
        package var fingerprint: String
        /// What is trained; where `progress` has a `fitStep`, with the values of then.
        package var parameters: [Parameter]
        /// The plan of the run to resume: made or read anew, it could differ.
        package var resumedPlan: SparsityPlan?
        /// How far that run had come with it.
        package var progress: SparsityProgress

        package init(
            choice: SparsityChoice, section: SparsitySection, batchOptions: BatchOptions, fingerprint: String,
            parameters: [Parameter], resumedPlan: SparsityPlan? = nil,
            progress: SparsityProgress = SparsityProgress()
        ) {
            self.choice = choice
            self.section = section
            self.batchOptions = batchOptions
            self.fingerprint = fingerprint
            self.parameters = parameters
            self.resumedPlan = resumedPlan
            self.progress = progress
        }
    }

    /// Reads or makes the plan, and fits it on the first batches of the data.
    ///
    /// - Returns: nil, with the reason, where there is nothing to leave out.
    /// - Throws: `InputError` when the plan cannot be read or met, or asks for what is not supported.
    package static func prepared(
        _ request: Request, model: CausalLM, examples: [TokenizedExample],
        onProgress: @escaping (PlanningProgress) -> Void
    ) throws(InputError) -> (sparsity: TrainingSparsity?, notes: [String]) {
        var section = request.section
        var given = request.resumedPlan
        var (budget, location): (Double?, String) = (nil, "")
        switch request.choice {
        case .automatic: break
        case .share(let share): budget = share
        case .file(let path):
            if given == nil { given = try SparsityPlan(contentsOf: path, mode: section.mode) }
            location = path
            // A published folder holds predictors beside its plans.
            if section.predictors == nil, PredictorFiles.areIn(path) { section.predictors = path }
        }
        if request.resumedPlan != nil { location = "the resumed run's \(RunFolder.sparsityPlanName)" }
        try given?.validate(for: model.configuration, fingerprint: request.fingerprint, location: location)
        if section.refitStep != nil, let given, given.method != .calibrated {
            throw InputError(
                "configuration key sparsity.refit_step",
                "the plan's method is \(given.method.rawValue): only calibrated plans are fitted",
                advice: "Set it to null.")
        }
        let sample = SparsitySample(
            examples, options: request.batchOptions,
            contextTokens: section.calibrationTokens ?? SparsitySample.size(for: examples))
        guard sample.isEnough(for: given, width: model.configuration.width) else {
            return (nil, ["\(sample.tooFew): training densely"])
        }
        let policies = SparsityPolicies(
            model: model, fingerprint: request.fingerprint, sample: sample, section: section,
            seed: request.batchOptions.seed, parameters: request.parameters)
        let seesAdapters = request.progress.fitStep != nil
        func sparsity(
            _ plan: SparsityPlan, _ policy: CalibratedSparsity? = nil
        ) throws(InputError) -> (sparsity: TrainingSparsity, notes: [String]) {
            var made: (policy: any SparsityPolicy, note: String?)?
            if request.progress.scale == 1 {
                if let policy, !seesAdapters {
                    made = (policy, nil)
                } else {
                    made = try policies.policy(plan, seesAdapters: seesAdapters, onProgress: onProgress)
                }
            }
            let result = try TrainingSparsity(
                plan, policy: made?.policy, progress: request.progress,
                hasStopRule: request.choice == .automatic,
                policies: policies)
            return (result, result.description + (made?.note.map { [$0] } ?? []))
        }
        if let given {
            return try sparsity(given)
        }
        let planner = try SparsityPlanner(
            model, fingerprint: request.fingerprint, sample: sample, section: section, spending: budget,
            onProgress: onProgress)
        guard let planned = try planner.plan(within: section.lossBound) else {
            return (
                nil,
                [
                    "no plan keeps the loss within \(section.lossBound) of dense, relative to it: training densely"
                ]
            )
        }
        return try sparsity(planned.plan, planned.policy)
    }
}
