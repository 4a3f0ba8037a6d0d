// Predictor folders in the published layout: config.json with modes beside model.safetensors with factors.

package import Checkpoints
package import FileSupport
package import Models

/// Reads and writes predictor folders.
package enum PredictorFiles {
    static let configuration = "config.json"
    static let weights = "model.safetensors"

    /// Whether a folder holds factors.
    package static func areIn(_ folder: String) -> Bool { FileStatus(path: "\(folder)/\(weights)") == .file }

    /// Reads a folder's factors.
    ///
    /// - Parameter fingerprint: the model's, checked against the folder's where it has one.
    /// - Throws: `InputError` when a file is missing or damaged, when factors do not suit the model's shape, when a block
    ///   has only some of its factors, or when the fingerprints differ.
    package static func read(
        _ folder: String, for model: DecoderConfiguration, fingerprint: String? = nil
    ) throws(InputError) -> SparsityPredictors {
        typealias Keys = PredictorConfigurationKeys
        let fields = try ConfigurationFields(fileAt: "\(folder)/\(configuration)")
        try fields.refuseKeys(besides: Keys.all)
        let rank = try fields.integer(Keys.rank, in: SparsityPlan.ranks)
        var predictors = SparsityPredictors(
            rank: rank, baseModel: try fields.string(Keys.baseModel, default: ""))
        if fields.has(Keys.fingerprint) { predictors.fingerprint = try fields.string(Keys.fingerprint) }
        if let own = predictors.fingerprint, let fingerprint, own != fingerprint {
            throw InputError(
                "\(fields.location) \(Keys.fingerprint)", expected: "\(fingerprint), this model's",
                found: own, advice: "The predictors were made from other weights: make them again.")
        }
        let ledger = TensorLedger(try SafetensorsFile(path: "\(folder)/\(weights)"))
        func factors(_ layer: Int, _ projection: BlockProjection, _ output: Int) throws(InputError)
            -> LowRankFactors
        {
            let prefix = prefix(layer, projection)
            let w1 = try ledger.take("\(prefix).w1", shape: [model.width, rank]).float32Values()
            let w2 = try ledger.take("\(prefix).w2", shape: [rank, output]).float32Values()
            guard w1.allSatisfy(\.isFinite), w2.allSatisfy(\.isFinite) else {
                throw InputError(
                    "\(ledger.source.path) tensor \(prefix)", "a factor holds values that are not finite")
            }
            return LowRankFactors(
                inputWidth: model.width, rank: rank, outputWidth: output, w1: w1, w2: w2)
        }
        func isPresent(_ layer: Int, _ projections: [BlockProjection]) -> Bool {
            projections.contains { ledger.source.contains("\(prefix(layer, $0)).w1") }
        }
        for layer in 0..<model.layerCount {
            if isPresent(layer, [.gate, .up]) {
                predictors.feedForward[layer] = .init(
                    gate: try factors(layer, .gate, model.feedForwardWidth),
                    up: try factors(layer, .up, model.feedForwardWidth))
            }
            if isPresent(layer, [.query, .key, .value]) {
                predictors.attention[layer] = .init(
                    query: try factors(layer, .query, model.queryWidth),
                    key: try factors(layer, .key, model.keyValueWidth),
                    value: try factors(layer, .value, model.keyValueWidth))
            }
        }
        try ledger.finish()
        return predictors
    }

    /// Writes a folder's two files; the folder must exist.
    ///
    /// - Parameters:
    ///   - plans: the shares that go with the factors, each under the name of its mode.
    ///   - layerCount: of the model; layers without a share are listed with 0, as readers of this layout expect.
    ///   - type: BF16, as published, or F32.
    /// - Throws: `InputError` when a file cannot be written.
    package static func write(
        _ predictors: SparsityPredictors, plans: [(mode: String, plan: SparsityPlan)], layerCount: Int,
        type: StoredType = .bfloat16, to folder: String
    ) throws(InputError) {
        var tensors: [OutputTensor] = []
        func append(_ layer: Int, _ projection: BlockProjection, _ factors: LowRankFactors) {
            let prefix = prefix(layer, projection)
            tensors += [
                OutputTensor(
                    name: "\(prefix).w1", type: type, shape: [factors.inputWidth, factors.rank],
                    values: factors.w1),
                OutputTensor(
                    name: "\(prefix).w2", type: type, shape: [factors.rank, factors.outputWidth],
                    values: factors.w2),
            ]
        }
        for layer in 0..<layerCount {
            if let block = predictors.feedForward[layer] {
                append(layer, .gate, block.gate)
                append(layer, .up, block.up)
            }
            if let block = predictors.attention[layer] {
                append(layer, .query, block.query)
                append(layer, .key, block.key)
                append(layer, .value, block.value)
            }
        }
        // The weights first: a folder with a configuration is complete.
        try SafetensorsWriter.write(tensors, to: "\(folder)/\(weights)")
        typealias Keys = PredictorConfigurationKeys
        var object = JSONObject([
            (Keys.baseModel, .string(predictors.baseModel)), (Keys.rank, .integer(predictors.rank)),
        ])
        object[Keys.fingerprint] = predictors.fingerprint.map { .string($0) }
        object[Keys.modes] = .object(
            JSONObject(
                plans.map { mode, plan in
                    let shares = JSONObject(
                        (0..<layerCount).flatMap { layer in
                            [
                                ("model.layers.\(layer).mlp", .number(plan.feedForward[layer] ?? 0)),
                                ("model.layers.\(layer).self_attn", .number(plan.attention[layer] ?? 0)),
                            ]
                        })
                    return (mode, .object(JSONObject([("layer_sparsity", .object(shares))])))
                }))
        try AtomicFile.write(
            to: "\(folder)/\(configuration)", text: JSONValue.object(object).serialized(pretty: true) + "\n")
    }

    private static func prefix(_ layer: Int, _ projection: BlockProjection) -> String {
        "model.layers.\(layer).\(projection.rawValue)"
    }
}
