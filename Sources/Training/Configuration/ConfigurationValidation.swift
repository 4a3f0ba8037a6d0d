// Checks of values that types cannot express: ranges, and keys that need each other.

package import FileSupport

extension TrainingConfiguration {
    /// Checks one that was made in code.
    ///
    /// - Throws: `InputError` naming the key, its allowed range and its value.
    package func validate() throws(InputError) { try validate(ConfigurationOrigins()) }

    /// - Throws: `InputError` naming the key, its allowed range and its value.
    func validate(_ origins: ConfigurationOrigins) throws(InputError) {
        func require(
            _ holds: Bool, _ path: String, _ expected: String, _ found: Any, advice: String? = nil
        ) throws(InputError) {
            guard holds else {
                throw InputError(
                    origins.location(path), expected: expected, found: "\(found)", advice: advice)
            }
        }
        try require(epochs > 0 && epochs <= 1e6, "epochs", "more than 0 and at most a million", epochs)
        if let steps { try require((1...1_000_000_000).contains(steps), "steps", "1 to a billion", steps) }
        try require((1...65536).contains(batchSize), "batch_size", "1 to 65536", batchSize)
        try require(
            (1...65536).contains(gradientAccumulation), "gradient_accumulation", "1 to 65536",
            gradientAccumulation)
        try require(
            (2...16_777_216).contains(data.sequenceLength), "data.sequence_length", "2 to 16777216",
            data.sequenceLength)
        try require(
            data.validationShare >= 0
                && (data.validationShare < 1 || data.validationShare == data.validationShare.rounded()),
            "data.validation_share", "a share below 1, or a whole number of examples", data.validationShare)
        try require(
            optimizer.learningRate > 0, "optimizer.learning_rate", "more than 0", optimizer.learningRate)
        try require(
            (0..<1).contains(optimizer.beta1), "optimizer.beta1", "at least 0 and below 1", optimizer.beta1)
        try require(
            (0..<1).contains(optimizer.beta2), "optimizer.beta2", "at least 0 and below 1", optimizer.beta2)
        try require(optimizer.epsilon > 0, "optimizer.epsilon", "more than 0", optimizer.epsilon)
        try require(
            optimizer.weightDecay >= 0, "optimizer.weight_decay", "0 or more", optimizer.weightDecay)
        try require(
            optimizer.maxGradientNorm >= 0, "optimizer.max_gradient_norm", "0 (no clipping) or more",
            optimizer.maxGradientNorm)
        try require(
            (0...1).contains(schedule.warmupRatio), "schedule.warmup_ratio", "0 to 1", schedule.warmupRatio,
            advice: "For a number of steps set schedule.warmup_steps.")
        if let steps = schedule.warmupSteps {
            try require(steps >= 0, "schedule.warmup_steps", "0 or more", steps)
        }
        try require(
            (0...1).contains(schedule.minimumRatio), "schedule.minimum_ratio", "0 to 1", schedule.minimumRatio
        )
        try require((1...65536).contains(adapter.rank), "adapter.rank", "1 to 65536", adapter.rank)
        try require(
            adapter.alpha > 0, "adapter.alpha", "more than 0", adapter.alpha,
            advice: "With alpha 0 the adapter would do nothing.")
        try require(
            (0..<1).contains(adapter.dropout), "adapter.dropout", "at least 0 and below 1", adapter.dropout)
        try require(!adapter.targets.isEmpty, "adapter.targets", "at least one name", "none")
        if adapter.layers != nil {
            try require(
                adapter.lastLayers == nil, "adapter.last_layers", "null beside adapter.layers",
                adapter.lastLayers ?? 0)
        }
        if let layers = adapter.lastLayers {
            try require(layers >= 1, "adapter.last_layers", "1 or more, or null for all", layers)
        }
        if case .share(let share) = sparsity.plan {
            try require(
                share > 0 && share <= 1, "sparsity.plan",
                "auto, a share of plain LoRA's operations above 0 and up to 1, or a plan's file", share)
        }
        var readsPlan = false
        if case .file = sparsity.plan { readsPlan = true }
        try require(
            readsPlan || sparsity.mode == nil, "sparsity.mode", "null without a plan's file",
            sparsity.mode ?? "", advice: "It names one of several plans in a published file.")
        try require(
            readsPlan || sparsity.predictors == nil, "sparsity.predictors", "null without a plan's file",
            sparsity.predictors ?? "", advice: "Only plans of method paper read predictors.")
        if let tokens = sparsity.calibrationTokens {
            try require(
                (256...1_048_576).contains(tokens), "sparsity.calibration_tokens",
                "256 to 1048576, or null for a share of the data", tokens)
        }
        if let step = sparsity.refitStep {
            try require(
                step.isFinite && step >= 0, "sparsity.refit_step",
                "a fraction of the steps (0 to 1) or a step's number, or null for never", step)
        }
        try require(
            sparsity.lossBound > 0 && sparsity.lossBound <= 1, "sparsity.loss_bound", "above 0, up to 1",
            sparsity.lossBound)
        try require(
            sparsity.probeInterval >= 0, "sparsity.probe_interval", "0 or more", sparsity.probeInterval)
        if let interval = validation.interval {
            try require(interval >= 1, "validation.interval", "1 or more, or null for every epoch", interval)
        }
        if let batches = validation.batches {
            try require(batches >= 1, "validation.batches", "1 or more, or null for all", batches)
        }
        if let interval = checkpoints.interval {
            try require(interval >= 1, "checkpoints.interval", "1 or more, or null for none", interval)
        }
        try require(checkpoints.keep >= 1, "checkpoints.keep", "1 or more", checkpoints.keep)
        try require(
            (1...100).contains(profile.tracedSteps), "profile.traced_steps", "1 to 100", profile.tracedSteps)
    }
}
