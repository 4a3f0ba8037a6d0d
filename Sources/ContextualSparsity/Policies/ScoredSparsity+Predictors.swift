// A scored policy with its predictors found, wherever they are.

package import FileSupport
package import Models

extension ScoredSparsity {
    /// The policy of a plan of any method but calibrated; method paper takes its predictors from a folder, or from the
    /// cache, where they are made and put when they are not there.
    ///
    /// - Parameters:
    ///   - fingerprint: the model's, see `ModelFingerprint`.
    ///   - predictorFolder: a predictor folder in the published layout; nil for the cache.
    ///   - seed: of method random.
    ///   - cache: nil for the user's.
    /// - Returns: the policy, and one line for people where something was made, else nil.
    /// - Throws: `InputError` when the plan does not suit the model, when the folder's predictors are another model's, or
    ///   when files cannot be read or written.
    package static func prepared(
        _ model: CausalLM, fingerprint: String, plan: SparsityPlan, predictorFolder: String? = nil,
        seed: UInt64 = 0, cache: PredictorCache? = nil
    ) throws(InputError) -> (policy: ScoredSparsity, note: String?) {
        guard plan.method == .paper else {
            return (try ScoredSparsity(model, plan: plan, seed: seed), nil)
        }
        if let predictorFolder {
            let predictors = try PredictorFiles.read(
                predictorFolder, for: model.configuration, fingerprint: fingerprint)
            return (try ScoredSparsity(model, plan: plan, predictors: predictors), nil)
        }
        // Before minutes go into decompositions.
        try plan.validate(for: model.configuration)
        let place: PredictorCache
        if let cache { place = cache } else { place = try .standard() }
        // No weight has a higher rank than the model's width.
        let rank = min(plan.rank, model.configuration.width)
        let (predictors, origin) = try place.predictors(of: model, fingerprint: fingerprint, rank: rank)
        let note: String? =
            switch origin {
            case .cache: nil
            case .made: "predictors of rank \(rank) made from the model's weights"
            case .remade(let error): "predictors of rank \(rank) made again: \(error)"
            }
        return (try ScoredSparsity(model, plan: plan, predictors: predictors), note)
    }
}
