// Plans from files: our own layout here, the published ones beside it.

import ConfigurationFiles
public import FileSupport
import Models

/// The keys of our own layout.
enum SparsityPlanKeys {
    static let method = "method"
    static let feedForward = "feed_forward"
    static let attention = "attention"
    static let rank = "rank"
    static let startStep = "start_step"
    static let endStep = "end_step"
    static let contextTokens = "context_tokens"
    static let denseSinkTokens = "dense_sink_tokens"
    static let sparseOutputShare = "sparse_output_share"
    static let feedForwardAdapters = "feed_forward_adapters"
    static let gradientShare = "gradient_share"
    static let wordThreshold = "word_threshold"
    static let wordShare = "word_share"
    static let pairAware = "pair_aware"
    static let fingerprint = "fingerprint"
    static let flopShare = "flop_share"
    static let predictedLossRise = "predicted_loss_rise"
    static let predictedTrainingRise = "predicted_training_rise"
    static let all = [
        method, feedForward, attention, rank, startStep, endStep, contextTokens, denseSinkTokens,
        sparseOutputShare, feedForwardAdapters, gradientShare, wordThreshold, wordShare, pairAware,
        fingerprint, flopShare, predictedLossRise, predictedTrainingRise,
    ]
}

extension SparsityPlan {
    /// Reads a plan: our own YAML, a published `sparsity:` YAML, a published `config.json`, or a folder with one.
    ///
    /// - Parameter mode: which plan of a published `config.json`; nil suits files that hold one.
    /// - Throws: `InputError` naming the key when the file cannot be read, has unknown keys or numbers out of range, or
    ///   holds several modes and `mode` names none of them.
    public init(contentsOf path: String, mode: String? = nil) throws(InputError) {
        var file = path
        if FileStatus(path: path) == .folder {
            let candidates = ["config.json", "sparselora_config.json"].map { "\(path)/\($0)" }
            guard let found = candidates.first(where: { FileStatus(path: $0) == .file }) else {
                throw InputError(path, "the folder holds no config.json", advice: "Give the plan's file.")
            }
            file = found
        }
        try self.init(try ConfigurationFile.read(file), mode: mode, location: file)
    }

    /// A plan of any layout; see `init(contentsOf:mode:)`.
    package init(_ object: JSONObject, mode: String? = nil, location: String) throws(InputError) {
        let fields = ConfigurationFields(object, location: location)
        if fields.has("modes") {
            try self.init(modes: fields, mode: mode)
            return
        }
        if let mode {
            throw InputError(location, "the file has no modes, so there is no mode \"\(mode)\"")
        }
        if fields.has("sparsity") {
            try self.init(olderLayout: fields)
        } else if fields.has("layer_sparsity") {
            try self.init(savedConfiguration: fields)
        } else {
            try self.init(ownLayout: fields)
        }
    }

    private init(ownLayout fields: ConfigurationFields) throws(InputError) {
        typealias Keys = SparsityPlanKeys
        try fields.refuseKeys(besides: Keys.all)
        self.init(method: try fields.choice(Keys.method, default: .calibrated))
        guard
            [Keys.feedForward, Keys.attention, Keys.gradientShare, Keys.wordThreshold].contains(where: {
                fields.has($0)
            })
        else {
            throw InputError(
                fields.location,
                "there is none of feed_forward, attention, gradient_share and word_threshold",
                advice: "Write what to leave out, such as \"feed_forward: {3-28: 0.9}\".")
        }
        feedForward = try fields.shares(Keys.feedForward)
        attention = try fields.shares(Keys.attention)
        rank = try fields.integer(Keys.rank, in: SparsityPlan.ranks, default: method == .paper ? 8 : rank)
        startStep = try fields.scheduleStep(Keys.startStep, default: startStep)
        endStep = try fields.scheduleStep(Keys.endStep, default: endStep)
        contextTokens = try fields.choice(Keys.contextTokens, default: contextTokens)
        denseSinkTokens = try fields.integer(Keys.denseSinkTokens, in: 0...1 << 27, default: 0)
        sparseOutputShare = try fields.number(Keys.sparseOutputShare, in: 0...1, default: 0)
        feedForwardAdapters = try fields.choice(Keys.feedForwardAdapters, default: feedForwardAdapters)
        gradientShare = try fields.number(Keys.gradientShare, in: 0...1, default: 1)
        wordThreshold = try fields.number(Keys.wordThreshold, in: 0...1, default: 0)
        wordShare = try fields.number(Keys.wordShare, in: 0...1, default: 1)
        pairAware = try fields.bool(Keys.pairAware, default: pairAware)
        if fields.has(Keys.fingerprint) { fingerprint = try fields.string(Keys.fingerprint) }
        if fields.has(Keys.flopShare) { flopShare = try fields.number(Keys.flopShare, in: 0...1e6) }
        if fields.has(Keys.predictedLossRise) {
            predictedLossRise = try fields.number(Keys.predictedLossRise, in: -1e6...1e6)
        }
        if fields.has(Keys.predictedTrainingRise) {
            predictedTrainingRise = try fields.number(Keys.predictedTrainingRise, in: -1e6...1e6)
        }
    }
}

extension ConfigurationFields {
    /// Throws at the first key that is not among these.
    func refuseKeys(besides known: [String]) throws(InputError) {
        let known = JSONObject(known.map { ($0, .null) })
        for key in object.keys where known[key] == nil {
            throw InputError(
                location, "there is no setting \"\(key)\"",
                advice: NearestName.advice(for: key, among: known.keys)
                    ?? "The settings are \(known.keys.joined(separator: ", ")).")
        }
    }

    func choice<Choice: RawRepresentable<String> & CaseIterable>(
        _ key: String, default fallback: Choice
    ) throws(InputError) -> Choice {
        guard has(key) else { return fallback }
        let name = try string(key)
        // Compared as bytes: a canonically equal spelling is another word.
        if let choice = Choice.allCases.first(where: { $0.rawValue.utf8.elementsEqual(name.utf8) }) {
            return choice
        }
        let names = Choice.allCases.map(\.rawValue)
        throw InputError(
            "\(location) \(key)", expected: names.joined(separator: " or "), found: "\"\(name.prefix(40))\"",
            advice: NearestName.advice(for: name, among: names))
    }

    func shares(_ key: String) throws(InputError) -> [Int: Double] {
        guard let value = value(key) else { return [:] }
        return try SparsityPlanShares.read(value, "\(location) \(key)")
    }

    func scheduleStep(_ key: String, default fallback: ScheduleStep) throws(InputError) -> ScheduleStep {
        guard let value = value(key) else { return fallback }
        guard let number = value.doubleValue, number.isFinite, number >= 0 else {
            throw InputError(
                "\(location) \(key)",
                expected: "a fraction of the steps (0 to 1) or a step's number (above 1)",
                found: value.serialized().prefix(40).description)
        }
        return ScheduleStep(number)
    }
}
