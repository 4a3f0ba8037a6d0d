// The choices a user has in how examples become training data, and the account of what was done.

/// How examples become sequences of tokens.
public struct DatasetOptions: Codable, Equatable, Sendable {
    /// What happens to an example with more tokens than `maximumLength`.
    public enum Overlong: String, Codable, CaseIterable, Sendable {
        /// Left out, and counted.
        case drop
        /// Cut after `maximumLength` tokens, and counted; the end of the answer may be lost.
        case truncate
        /// Reported with its line.
        case error
    }

    /// What happens to an example of which no token would be trained.
    public enum Unlabelled: String, Codable, CaseIterable, Sendable {
        /// Left out, and counted.
        case drop
        /// Reported with its line.
        case error
    }

    /// Longest sequence, in tokens.
    public var maximumLength = 2048
    /// What happens to longer ones.
    public var overlong = Overlong.drop
    /// What happens to examples without a trained token.
    public var unlabelled = Unlabelled.error
    /// Whether only what the model should say is trained (the assistant's turns, the completion, the output); false
    /// trains every token.
    public var maskPrompt = true

    /// The defaults.
    public init() {}
}

/// What became of the examples of one file.
public struct DatasetReport: Codable, Equatable, Sendable {
    /// The file.
    public var path: String
    /// The format of its first record, and so of all.
    public var format: DatasetFormat
    /// Examples in the file.
    public var examplesRead = 0
    /// Examples to train on.
    public var examplesKept = 0
    /// Examples left out because they are too long.
    public var overlongDropped = 0
    /// Examples cut because they are too long.
    public var truncated = 0
    /// Examples left out because no token of theirs would be trained.
    public var unlabelledDropped = 0
    /// Tokens of the examples kept.
    public var tokens = 0
    /// Of these, tokens that are trained.
    public var labelledTokens = 0
    /// Tokens of the longest example kept.
    public var maximumLength = 0

    /// Mean length of the examples kept, in tokens.
    public var meanLength: Double { examplesKept == 0 ? 0 : Double(tokens) / Double(examplesKept) }

    /// A report before anything is read.
    public init(path: String, format: DatasetFormat) {
        self.path = path
        self.format = format
    }
}
