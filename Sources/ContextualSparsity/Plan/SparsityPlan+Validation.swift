// Whether a plan suits a model.

package import FileSupport
package import Models

extension SparsityPlan {
    /// Ranks that files may ask for.
    static let ranks = 1...8192

    /// Throws unless every number is in range, every layer exists and the fingerprints, where known, are equal.
    ///
    /// - Parameters:
    ///   - fingerprint: the model's; nil leaves the plan's unchecked.
    ///   - location: what to call the plan in errors, usually its path.
    package func validate(
        for configuration: DecoderConfiguration, fingerprint: String? = nil,
        location: String = "sparsity plan"
    ) throws(InputError) {
        if let own = self.fingerprint, let fingerprint, own != fingerprint {
            throw InputError(
                "\(location) fingerprint", expected: "\(fingerprint), this model's", found: own,
                advice: "The plan was measured on other weights: measure one for this model, "
                    + "or remove the fingerprint to use it all the same.")
        }
        try Self.check(feedForward, layerCount: configuration.layerCount, "\(location) feed_forward")
        try Self.check(attention, layerCount: configuration.layerCount, "\(location) attention")
        guard gradientShare > 0, gradientShare <= 1 else {
            throw InputError(
                "\(location) gradient_share", expected: "a share above 0 and up to 1",
                found: "\(gradientShare)")
        }
        guard wordThreshold >= 0, wordThreshold < 1 else {
            throw InputError(
                "\(location) word_threshold", expected: "a probability of at least 0 and below 1",
                found: "\(wordThreshold)")
        }
        guard wordShare >= 0, wordShare <= 1 else {
            throw InputError("\(location) word_share", expected: "a share from 0 to 1", found: "\(wordShare)")
        }
        guard rank > 0 else { throw InputError("\(location) rank", expected: "at least 1", found: "\(rank)") }
        guard denseSinkTokens >= 0 else {
            throw InputError(
                "\(location) dense_sink_tokens", expected: "at least 0", found: "\(denseSinkTokens)")
        }
        guard sparseOutputShare >= 0, sparseOutputShare <= 1 else {
            throw InputError(
                "\(location) sparse_output_share", expected: "a share from 0 to 1",
                found: "\(sparseOutputShare)")
        }
        guard gradientShare == 1 || contextTokens == .labels && sparseOutputShare == 0 else {
            throw InputError(
                "\(location) gradient_share",
                "gradients of some rows go with scored tokens that run dense",
                advice: "Use context_tokens: labels and sparse_output_share: 0.")
        }
        // A fraction and a step's number can be compared only when the run's length is known.
        if (startStep.value <= 1) == (endStep.value <= 1), endStep.value < startStep.value {
            throw InputError(
                "\(location) end_step", expected: "at least start_step (\(startStep.value))",
                found: "\(endStep.value)")
        }
    }

    private static func check(
        _ shares: [Int: Double], layerCount: Int, _ location: String
    ) throws(InputError) {
        for (layer, share) in shares.sorted(by: { $0.key < $1.key }) {
            guard layer >= 0, layer < layerCount else {
                throw InputError(
                    location, expected: "layers from 0 to \(layerCount - 1)", found: "layer \(layer)")
            }
            try SparsityPlanShares.check(share, "\(location) layer \(layer)")
        }
    }
}
