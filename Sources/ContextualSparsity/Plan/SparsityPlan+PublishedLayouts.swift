// The layouts of plans that were published with the paper: an older YAML and a newer config.json with modes.

import FileSupport
import Models

extension SparsityPlan {
    /// The older YAML: `sparsity` maps `layers.N.mlp` and `layers.N.self_attn` to shares, beside flags.
    ///
    /// Flags that change nothing here (how scores are averaged, names of runs) are read over.
    init(olderLayout fields: ConfigurationFields) throws(InputError) {
        try fields.refuseKeys(besides: Self.olderKeys)
        self.init(method: .paper)
        rank = 8
        let mode = try fields.string("mode", default: "svd_8")
        if mode.hasPrefix("svd_"), let rank = SparsityPlanShares.number(mode.dropFirst(4)),
            SparsityPlan.ranks.contains(rank)
        {
            self.rank = rank
        } else if mode == "random" {
            method = .random
        } else if mode != "dense" {
            throw InputError(
                "\(fields.location) mode",
                expected: "svd_RANK (1 to \(SparsityPlan.ranks.upperBound)), random or dense",
                found: "\"\(mode.prefix(40))\"")
        }
        try setShares(fields, "sparsity")
        if mode == "dense" { (feedForward, attention) = ([:], [:]) }
        startStep = try fields.scheduleStep("start_step", default: startStep)
        endStep = try fields.scheduleStep("end_step", default: ScheduleStep(1))
        contextTokens = try fields.bool("skip_output_tokens", default: false) ? .labels : .all
        denseSinkTokens = try fields.integer("skip_sink_tokens", in: 0...1 << 27, default: 0)
        if try fields.bool("add_sparse_to_dense", default: false) {
            sparseOutputShare = try fields.number("dense_to_sparse_ratio", in: 0...1, default: 0)
        }
        if fields.has("sparse_lora_branch") {
            feedForwardAdapters =
                try fields.bool("sparse_lora_branch", default: true) ? .channelMasked : .dense
        }
        for key in ["skip_random_tokens", "qk_per_head"] where try fields.bool(key, default: false) {
            throw InputError("\(fields.location) \(key)", "this analysis setting is not supported")
        }
        guard try fields.integer("min_sparse_length", in: 0...Int.max, default: 0) == 0 else {
            throw InputError("\(fields.location) min_sparse_length", "a length other than 0 is not supported")
        }
    }

    private static let olderKeys = [
        "sparsity", "mode", "start_step", "end_step", "skip_output_tokens", "skip_sink_tokens",
        "skip_random_tokens", "sparse_lora_branch", "qk_per_head", "qkvo_seq_avg", "mlp_seq_avg",
        "add_sparse_to_dense", "dense_to_sparse_ratio", "min_sparse_length", "ffn_sparsity", "qkvo_sparsity",
    ]

    /// The newer config.json: `modes.NAME.layer_sparsity` maps `model.layers.N.mlp` and so on to shares.
    init(modes fields: ConfigurationFields, mode: String?) throws(InputError) {
        try fields.refuseKeys(besides: PredictorConfigurationKeys.all)
        guard let modes = try fields.fields(PredictorConfigurationKeys.modes) else {
            preconditionFailure("a layout without modes")
        }
        let names = modes.object.keys
        let listed = names.prefix(20).joined(separator: ", ")
        guard let name = mode ?? (names.count == 1 ? names.first : nil) else {
            throw InputError(
                modes.location, names.isEmpty ? "there are no modes" : "the file holds the modes \(listed)",
                advice: names.isEmpty ? nil : "Choose one of them.")
        }
        guard let chosen = try modes.fields(name) else {
            throw InputError(
                modes.location, "there is no mode \"\(name)\"; there are \(listed)",
                advice: NearestName.advice(for: name, among: names))
        }
        try chosen.refuseKeys(besides: ["layer_sparsity"])
        self.init(method: .paper)
        rank = try fields.integer(PredictorConfigurationKeys.rank, in: SparsityPlan.ranks, default: 8)
        if fields.has(PredictorConfigurationKeys.fingerprint) {
            fingerprint = try fields.string(PredictorConfigurationKeys.fingerprint)
        }
        endStep = ScheduleStep(1)
        try setShares(chosen, "layer_sparsity")
    }

    /// The configuration that the published package saves beside an adapter.
    init(savedConfiguration fields: ConfigurationFields) throws(InputError) {
        try fields.refuseKeys(besides: ["layer_sparsity", "predictor_rank", "path", "start_step", "end_step"])
        self.init(method: .paper)
        rank = try fields.integer("predictor_rank", in: SparsityPlan.ranks, default: 8)
        startStep = try fields.scheduleStep("start_step", default: ScheduleStep(0))
        endStep = try fields.scheduleStep("end_step", default: ScheduleStep(1))
        try setShares(fields, "layer_sparsity")
    }

    /// Shares by module name.
    private mutating func setShares(_ fields: ConfigurationFields, _ key: String) throws(InputError) {
        guard let modules = try fields.fields(key) else {
            throw InputError(fields.location, "there is no key \"\(key)\"")
        }
        var seen: Set<[String]> = []
        for (name, value) in modules.object.members {
            let location = "\(modules.location) \(name)"
            var parts = name.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
            if parts.first == "model" { parts.removeFirst() }
            guard parts.count == 3, parts[0] == "layers", let layer = SparsityPlanShares.number(parts[1]),
                layer < SparsityPlanShares.mostLayers, parts[2] == "mlp" || parts[2] == "self_attn"
            else {
                throw InputError(
                    modules.location, expected: "modules such as layers.7.mlp and layers.7.self_attn",
                    found: "\"\(name.prefix(80))\"")
            }
            guard seen.insert(["\(layer)", parts[2]]).inserted else {
                throw InputError(location, "layer \(layer) has a share already")
            }
            let share = try SparsityPlanShares.share(value, location)
            guard share != 0 else { continue }
            if parts[2] == "mlp" { feedForward[layer] = share } else { attention[layer] = share }
        }
    }
}
