// What `sparsity.plan` of a configuration asks for.

/// Where a run's sparsity comes from: `auto`, a number, or a path in a file or flag.
public enum SparsityChoice: Codable, Sendable, Equatable {
    /// The cheapest plan within the loss bound.
    case automatic
    /// The plan that harms least for this share of plain LoRA's operations, above 0 and up to 1.
    case share(Double)
    /// A plan's file.
    case file(String)

    private static let automaticName = "auto"

    /// Reads `auto`, a number (shares are checked with the configuration), or a path.
    public init(_ text: String) {
        if text == Self.automaticName {
            self = .automatic
        } else if let share = Double(text) {
            self = .share(share)
        } else {
            self = .file(text)
        }
    }

    /// Reads a number or text.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let share = try? container.decode(Double.self) {
            self = .share(share)
        } else {
            self.init(try container.decode(String.self))
        }
    }

    /// Writes a number or text.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .automatic: try container.encode(Self.automaticName)
        case .share(let share): try container.encode(share)
        case .file(let path): try container.encode(path)
        }
    }
}
