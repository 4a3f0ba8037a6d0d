// How text is sampled: the flags that generate and chat share.

internal import ArgumentParser
internal import SparseLoRA

struct SamplingFlags: ParsableArguments {
    @Option(help: "The most tokens to generate.") var maxTokens = 256
    @Option(name: [.long, .customLong("temp")], help: "0 always takes the likeliest token.")
    var temperature = 0.0
    @Option(help: "Sample among the k likeliest tokens; 0 for all.") var topK = 0
    @Option(help: "Sample among the likeliest tokens that hold this share of probability.") var topP = 1.0
    @Option(help: "Leave out tokens below this share of the likeliest one's probability.") var minP = 0.0
    @Option(help: "Above 1 makes tokens that occurred less likely.") var repetitionPenalty = 1.0
    @Option(help: "Decides the random choices.") var seed: UInt64 = 0
    @Option(name: .customLong("stop"), help: "End at this text; may be given several times.")
    var stops: [String] = []

    func validate() throws {
        guard maxTokens > 0 else { throw ValidationError("--max-tokens must be at least 1") }
        guard temperature >= 0, temperature.isFinite else {
            throw ValidationError("--temperature must be 0 or more")
        }
        guard topK >= 0 else { throw ValidationError("--top-k must be 0 or more") }
        guard topP > 0, topP <= 1 else { throw ValidationError("--top-p must be above 0 and at most 1") }
        guard (0..<1).contains(minP) else { throw ValidationError("--min-p must be from 0 to below 1") }
        guard repetitionPenalty > 0 else { throw ValidationError("--repetition-penalty must be above 0") }
        guard !stops.contains("") else { throw ValidationError("--stop must not be empty") }
    }

    var options: GenerationOptions {
        var options = GenerationOptions()
        options.maximumTokens = maxTokens
        options.temperature = temperature
        options.topK = topK
        options.topP = topP
        options.minP = minP
        options.repetitionPenalty = repetitionPenalty
        options.seed = seed
        options.stopStrings = stops
        return options
    }
}
