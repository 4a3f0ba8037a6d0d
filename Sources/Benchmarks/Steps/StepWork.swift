// What a step case computes: the flags that say so, the same ones that tools/peers/peft_step.py takes.

internal import ArgumentParser
internal import FileSupport
internal import Models
internal import TensorEngine

struct StepWork: ParsableArguments {
    @Option(help: "A Hugging Face model folder or a GGUF file.") var model: String
    @Option(help: "Sequences.") var batch = 4
    @Option(help: "Tokens of each.") var length = 512
    @Option(help: "Share of each sequence that is labelled, at its end.") var labelledFraction = 0.25
    @Option(help: "A file of batches to take one after the other, instead of random tokens.")
    var batches: String?
    @Option(help: "Rank of the adapters.") var rank = 32
    @Option(help: "Comma-separated names of the adapted projections, or all-linear.")
    var targets = "q_proj,k_proj,v_proj,o_proj"
    @Option(help: "bfloat16 or float32.") var dtype = "bfloat16"
    @Flag(help: "Run blocks again in the backward pass instead of keeping what is in them.")
    var checkpointing = false

    func validate() throws {
        guard ElementType(rawValue: dtype) != nil, dtype != "int32" else {
            throw ValidationError("--dtype is bfloat16 or float32, not \(dtype)")
        }
        guard batch > 0, length > 1, rank > 0 else { throw ValidationError("sizes must be positive") }
        guard labelledFraction > 0, labelledFraction <= 1 else {
            throw ValidationError("--labelled-fraction must be above 0 and at most 1")
        }
    }

    var elementType: ElementType { ElementType(rawValue: dtype) ?? .bfloat16 }

    var description: String {
        let tokens =
            batches.map { "batches of \($0)" }
            ?? "\(batch)x\(length) tokens, \(fixed(100 * labelledFraction, 1))% labelled"
        return "\(tokens), rank \(rank) on \(targets), \(dtype)"
            + (checkpointing ? ", checkpointed" : "")
    }

    /// The batches of the steps, to be taken in turn.
    func batches(vocabularySize: Int) throws -> [LabelledSequences] {
        if let batches { return try LabelledSequences.read(batches) }
        var random = SystemRandomNumberGenerator()
        let tokens = (0..<batch).map { _ in
            (0..<length).map { _ in Int32.random(in: 0..<Int32(vocabularySize), using: &random) }
        }
        // As labels of the peer: a token is trained, and the row before it scored.
        let first = max(1, length - Int((Double(length) * labelledFraction).rounded()))
        return [
            LabelledSequences(
                tokens.map { (tokens: $0, isTrained: $0.indices.map { $0 >= first }) })
        ]
    }
}

/// One batch and its labels.
struct LabelledSequences {
    let sequences: PackedSequences
    let labels: [Int32]

    init(_ examples: [(tokens: [Int32], isTrained: [Bool])]) {
        sequences = PackedSequences(examples.map(\.tokens))
        labels = examples.flatMap { tokens, isTrained in
            tokens.indices.map { $0 + 1 < tokens.count && isTrained[$0 + 1] ? tokens[$0 + 1] : -1 }
        }
    }

    var labelledCount: Int { labels.count { $0 >= 0 } }

    /// Reads a file of batches: a JSON line each, `sequences` and `trained` (1 for tokens that are), which PEFT's side
    /// reads too.
    static func read(_ path: String) throws -> [LabelledSequences] {
        let file = try MappedFile(path: path)
        let lines = file.withBytes { $0.split(separator: UInt8(ascii: "\n")).map { Array($0) } }
        return try lines.enumerated().map { number, line in
            let record = try JSONParser.parse(line, location: path, firstLine: number + 1)
            func rows(_ key: String) throws -> [[Int32]] {
                guard let rows = record[key]?.arrayValue else {
                    throw InputError("\(path) line \(number + 1)", expected: "a list \(key)", found: "none")
                }
                return rows.map { row in
                    (row.arrayValue ?? []).compactMap { $0.integerValue.flatMap { Int32(exactly: $0) } }
                }
            }
            let (sequences, trained) = (try rows("sequences"), try rows("trained"))
            guard sequences.map(\.count) == trained.map(\.count) else {
                throw InputError("\(path) line \(number + 1)", "sequences and trained differ in length")
            }
            return LabelledSequences(
                zip(sequences, trained).map { (tokens: $0, isTrained: $1.map { $0 != 0 }) })
        }
    }
}
