// sparselora logits (hidden): raw logits of token sequences, for comparing with other programs.

internal import ArgumentParser
internal import SparseLoRA

struct LogitsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "logits",
        abstract: "Writes the logits of token sequences as safetensors, one tensor logits.N [T, V] for each.",
        shouldDisplay: false)

    @OptionGroup var model: ModelOptions
    @Option(help: "A JSON file: a list of lists of token ids.") var tokens: String
    @Option(name: [.customShort("o"), .long], help: "The safetensors file to write.") var output: String

    func run() throws {
        try reportingFailures {
            let document = try JSONParser.parse(fileAt: tokens)
            let sequences = try (document.arrayValue ?? []).enumerated().map { index, sequence in
                let items = sequence.arrayValue ?? []
                let ids = items.compactMap { $0.integerValue.flatMap(Int32.init(exactly:)) }
                guard !ids.isEmpty, ids.count == items.count else {
                    throw InputError("\(tokens) item \(index + 1)", "expected a non-empty list of token ids")
                }
                return ids
            }
            guard !sequences.isEmpty else {
                throw InputError(tokens, "expected a list of lists of token ids")
            }
            try model.load().writeLogits(of: sequences, to: output)
        }
    }
}
