// The choices a user has in how examples become training data, and the account of what was done.

/// How examples become sequences of tokens.
package struct DatasetOptions: Equatable, Sendable {
    /// What happens to an example of which no token would be trained.
    package enum Unlabelled: Equatable, Sendable {
        /// Left out, and counted.
        case drop
        /// Reported with its line.
        case error
    }

    /// The format the user has named; nil finds it in the first record of each file.
    package var format: DatasetFormat?
    /// Longest sequence, in tokens.
    package var maximumLength = 2048
    /// What happens to longer ones.
    package var overlong = OverlongChoice.drop
    /// What happens to examples without a trained token.
    package var unlabelled = Unlabelled.error
    /// Whether only what the model should say is trained (the assistant's turns, the completion, the output); false
    /// trains every token.
    package var maskPrompt = true

    package init() {}

    /// The choices of a configuration. Cutting long examples may cut off whole answers, so what is left without a
    /// trained token is then dropped and counted; otherwise it is an error.
    package init(_ section: DataSection) {
        switch section.format {
        case .automatic: format = nil
        case .chat: format = .chat
        case .completion: format = .completions
        case .text: format = .text
        case .alpaca: format = .alpaca
        case .sharegpt: format = .sharegpt
        }
        maximumLength = section.sequenceLength
        overlong = section.overlong
        unlabelled = section.overlong == .truncate ? .drop : .error
        maskPrompt = section.maskPrompt
    }
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
