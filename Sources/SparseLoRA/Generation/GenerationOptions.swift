// How text is generated, and what comes of it.

/// Settings of text generation.
public struct GenerationOptions: Equatable, Sendable {
    /// The most tokens of an answer.
    public var maximumTokens = 256
    /// 0 always takes the likeliest token; 1 samples from the model's own distribution.
    public var temperature = 0.0
    /// Sample among the k likeliest tokens only; 0 for all.
    public var topK = 0
    /// Sample among the likeliest tokens that together hold this share of probability; 1 for all.
    public var topP = 1.0
    /// Leave out tokens whose probability is below this share of the likeliest one's.
    public var minP = 0.0
    /// Above 1 makes tokens that occurred less likely (arXiv 1909.05858).
    public var repetitionPenalty = 1.0
    /// Decides the random choices.
    public var seed: UInt64 = 0
    /// Texts that end the answer; they are not part of it.
    public var stopStrings: [String] = []

    /// Greedy, at most 256 tokens.
    public init() {}
}

/// One generated answer.
public struct GeneratedText: Equatable, Sendable {
    /// Why an answer ended.
    public enum FinishReason: String, Sendable {
        /// The model ended its turn.
        case endOfTurn = "end_of_turn"
        /// One of the stop strings came.
        case stopString = "stop_string"
        /// The token limit was reached.
        case length
        /// The caller asked for no more.
        case cancelled
    }

    /// The answer, without special tokens.
    public var text: String
    /// Tokens of the prompt.
    public var promptTokenCount: Int
    /// Tokens of the answer, the one that ended it not counted.
    public var tokenCount: Int
    /// Why the answer ended.
    public var finishReason: FinishReason
}
