// sparselora inspect: what is in a model, adapter, tokenizer or data file.

internal import ArgumentParser
internal import SparseLoRA

struct InspectCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect",
        abstract: "Shows what is in a model, an adapter or a data file.",
        discussion: """
              sparselora inspect model.gguf                 shape, parameters, tokenizer, memory
              sparselora inspect model.gguf --tensors       every tensor with type and shape
              sparselora inspect runs/first                 a run: its adapter, rank, targets, size
              sparselora inspect train.jsonl --model M      a data file: format, lengths, what is trained
            """)

    @Argument(help: "A model folder, GGUF or safetensors file, adapter or run folder, or data file.")
    var path: String
    @Option(name: [.customShort("m"), .long], help: "For a data file: the model whose tokens are counted.")
    var model: String?
    @Flag(help: "List every tensor.") var tensors = false
    @Option(help: "For a data file with --model: show so many examples with their trained parts marked.")
    var examples = 0
    @Flag(help: "Print JSON.") var json = false

    func validate() throws {
        guard examples >= 0 else { throw ValidationError("--examples must be 0 or more") }
    }

    func run() throws {
        try reportingFailures {
            let report = try Inspection.report(
                at: path, dataModel: model, listsTensors: tensors, exampleCount: examples)
            if json {
                Output.line(report.json.serialized(pretty: true))
            } else {
                Output.line(Self.rendered(report))
            }
        }
    }

    /// Sections of "name  value" lines, then tables, then marked text.
    private static func rendered(_ report: InspectionReport) -> String {
        var parts: [String] = [Terminal.bold(report.title)]
        var facts = TextTable()
        for (name, value) in report.facts { facts.addFlushLeft(name, value) }
        parts.append(facts.rendered())
        for table in report.tables {
            parts.append(Terminal.bold(table.title))
            var text = TextTable()
            for row in table.rows { text.add(row) }
            parts.append(text.rendered())
        }
        for text in report.texts { parts.append(text) }
        return parts.joined(separator: "\n")
    }
}
