// What a user says about a LoRA adapter.

/// Which linear layers get a low-rank adapter, and of what kind (LoRA, arXiv 2106.09685).
///
/// The adapter adds `scale * B A x` to a layer's output, with A of [rank, in] and B of [out, rank]. Means the same as
/// PEFT's `LoraConfig` with the corresponding keys.
public struct LoRAConfiguration: Codable, Equatable, Sendable {
    /// Rank of each pair, at least 1.
    public var rank: Int
    /// Numerator of the scale: alpha / rank, or alpha / sqrt(rank) when `rankStabilised`.
    public var alpha: Double
    /// Share of a layer's input elements that the adapter does not see during training, 0 up to 1.
    public var dropout: Double
    /// Which layers.
    public var targets: Targets
    /// Which blocks of the model.
    public var layers: Layers
    /// Ranks of modules that differ from `rank`; the first pattern that matches stands.
    public var rankPattern: [ModuleOverride<Int>]
    /// Alphas of modules that differ from `alpha`; the first pattern that matches stands.
    public var alphaPattern: [ModuleOverride<Double>]
    /// Scale by alpha / sqrt(rank) (rsLoRA, arXiv 2312.03732).
    public var rankStabilised: Bool

    /// A configuration; every default is stated here and nowhere else.
    public init(
        rank: Int = 16, alpha: Double = 32, dropout: Double = 0, targets: Targets = .allLinear,
        layers: Layers = .all, rankPattern: [ModuleOverride<Int>] = [],
        alphaPattern: [ModuleOverride<Double>] = [], rankStabilised: Bool = false
    ) {
        self.rank = rank
        self.alpha = alpha
        self.dropout = dropout
        self.targets = targets
        self.layers = layers
        self.rankPattern = rankPattern
        self.alphaPattern = alphaPattern
        self.rankStabilised = rankStabilised
    }

    /// Which linear layers to adapt.
    public enum Targets: Equatable, Sendable {
        /// Every linear layer of every block; not the output head.
        case allLinear
        /// Modules with one of these names, or whose name ends with one after a dot: `q_proj`, `mlp.down_proj`,
        /// `model.layers.3.self_attn.q_proj`.
        case named([String])
        /// Modules whose whole name this regular expression matches.
        case matching(String)
    }

    /// Which blocks to adapt.
    public enum Layers: Equatable, Sendable {
        /// All blocks.
        case all
        /// The blocks with these numbers, from 0.
        case only([Int])
        /// As many blocks at the end of the model.
        case last(Int)
    }

    /// A value for the modules that a pattern matches.
    public struct ModuleOverride<Value: Codable & Equatable & Sendable>: Codable, Equatable, Sendable {
        /// A regular expression for the module's name, or for its end after a dot.
        public var pattern: String
        /// What holds for those modules.
        public var value: Value

        /// An override.
        public init(_ pattern: String, _ value: Value) {
            self.pattern = pattern
            self.value = value
        }
    }
}

extension LoRAConfiguration.Targets: Codable {
    static let allLinearName = "all-linear"

    /// A list of names, `"all-linear"`, or a regular expression, as in PEFT.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let names = try? container.decode([String].self) {
            self = .named(names)
            return
        }
        let text = try container.decode(String.self)
        self = text == Self.allLinearName ? .allLinear : .matching(text)
    }

    /// The form that `init(from:)` reads.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .allLinear: try container.encode(Self.allLinearName)
        case .named(let names): try container.encode(names)
        case .matching(let pattern): try container.encode(pattern)
        }
    }
}

extension LoRAConfiguration.Layers: Codable {
    /// `"all"`, a list of block numbers, or how many blocks at the end.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let count = try? container.decode(Int.self) {
            self = .last(count)
        } else if let numbers = try? container.decode([Int].self) {
            self = .only(numbers)
        } else {
            guard try container.decode(String.self) == "all" else {
                throw DecodingError.dataCorruptedError(
                    in: container,
                    debugDescription:
                        "expected \"all\", a list of block numbers, or how many blocks at the end")
            }
            self = .all
        }
    }

    /// The form that `init(from:)` reads.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .all: try container.encode("all")
        case .only(let numbers): try container.encode(numbers)
        case .last(let count): try container.encode(count)
        }
    }
}
