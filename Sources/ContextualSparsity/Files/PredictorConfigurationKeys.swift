// The keys of a predictor folder's config.json.

enum PredictorConfigurationKeys {
    static let baseModel = "base_model"
    static let rank = "predictor_rank"
    static let modes = "modes"
    /// Ours: other readers pass over it.
    static let fingerprint = "fingerprint"
    static let all = [baseModel, rank, modes, fingerprint]
}
