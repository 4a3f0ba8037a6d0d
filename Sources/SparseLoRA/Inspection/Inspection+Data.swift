// What a data file is: format, lengths, and what of it is trained.

internal import FileSupport
internal import Models
internal import Tokenization
internal import Training

extension Inspection {
    static func dataReport(
        _ path: String, model: String?, exampleCount: Int
    ) throws(InputError) -> InspectionReport {
        let file = try DatasetPaths(path: path).train
        guard let model else {
            guard exampleCount == 0 else {
                throw InputError(
                    "--examples", "marking what is trained needs the model's tokenizer",
                    advice: "Give --model too.")
            }
            return try recordsReport(file)
        }
        let source = try ModelSource(path: model)
        let tokenizer = try LanguageModel.tokenizer(of: source)
        let encoder = ExampleEncoder(
            tokenizer: tokenizer, template: try LanguageModel.chatTemplate(of: tokenizer, path: model))
        let dataset = try Dataset(path: file, encoder: encoder)
        let found = dataset.report
        var report = InspectionReport(title: "data \(file)")
        report.add("format", .string(found.format.rawValue))
        report.add("examples", .integer(found.examplesKept))
        report.add("tokens", .integer(found.tokens))
        report.add("trained tokens", .integer(found.labelledTokens))
        report.add("longest example", .integer(found.maximumLength))
        report.add("mean length", .number((found.meanLength * 10).rounded() / 10))
        report.add("left out as too long", .integer(found.overlongDropped))
        let lengths = dataset.examples.map(\.count).sorted()
        var rows = [["share of examples", "tokens at most"]]
        for percent in [10, 25, 50, 75, 90, 95, 99, 100] where !lengths.isEmpty {
            let index = max(0, (lengths.count * percent + 99) / 100 - 1)
            rows.append(["\(percent)%", "\(lengths[index])"])
        }
        report.tables.append(InspectionReport.Table(title: "lengths", rows: rows))
        for (index, example) in dataset.examples.prefix(exampleCount).enumerated() {
            report.texts.append("example \(index + 1), trained parts in ⟦ ⟧:\n\(marked(example, tokenizer))")
        }
        return report
    }

    /// Without a model only the records can be counted.
    private static func recordsReport(_ file: String) throws(InputError) -> InspectionReport {
        var format: DatasetFormat?
        var count = 0
        var fields: [String] = []
        try DatasetFile.forEachRecord(in: file) { record throws(InputError) in
            if format == nil {
                format = try Example.format(of: record)
                fields = record.fields.keys
            }
            if let format { _ = try Example(record, format: format) }
            count += 1
        }
        var report = InspectionReport(title: "data \(file)")
        report.add("format", .string(format?.rawValue ?? "none"))
        report.add("records", .integer(count))
        report.add("fields", .array(fields.map { .string($0) }))
        return report
    }

    private static func marked(_ example: TokenizedExample, _ tokenizer: Tokenizer) -> String {
        var text = ""
        var start = 0
        while start < example.count {
            let isLabelled = example.isLabelled[start]
            var end = start
            while end < example.count, example.isLabelled[end] == isLabelled { end += 1 }
            let part = tokenizer.decode(Array(example.tokens[start..<end]), skipSpecialTokens: false)
            text += isLabelled ? "⟦\(part)⟧" : part
            start = end
        }
        return text
    }
}
