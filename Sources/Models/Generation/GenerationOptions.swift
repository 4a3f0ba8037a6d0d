// How generated tokens are chosen and when generation ends.

/// Sampling and stopping. The defaults are greedy decoding without a penalty.
package struct GenerationOptions: Equatable, Sendable {
    /// The most tokens to generate for one prompt.
    package var maximumTokens: Int
    /// 0 takes the likeliest token; otherwise logits are divided by it.
    package var temperature: Float
    /// Keeps the k likeliest tokens; 0 keeps all.
    package var topK: Int
    /// Keeps the likeliest tokens whose probabilities just reach this sum; 1 keeps all.
    package var topP: Float
    /// Drops tokens less likely than this share of the likeliest; 0 keeps all.
    package var minP: Float
    /// Divides positive and multiplies negative logits of tokens already there, prompt included; 1 does nothing.
    package var repetitionPenalty: Float
    package var seed: UInt64
    /// Tokens that end a sequence; they are generated but not part of the result.
    package var stopTokens: Set<Int32>

    package init(
        maximumTokens: Int = 256, temperature: Float = 0, topK: Int = 0, topP: Float = 1, minP: Float = 0,
        repetitionPenalty: Float = 1, seed: UInt64 = 0, stopTokens: Set<Int32> = []
    ) {
        self.maximumTokens = maximumTokens
        self.temperature = temperature
        self.topK = topK
        self.topP = topP
        self.minP = minP
        self.repetitionPenalty = repetitionPenalty
        self.seed = seed
        self.stopTokens = stopTokens
    }
}
