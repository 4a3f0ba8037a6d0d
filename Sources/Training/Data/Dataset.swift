// A data file ready for training: its examples as tokens, and the account of what was left out.

package import FileSupport

package struct Dataset: Sendable {
    package let examples: [TokenizedExample]
    package let report: DatasetReport

    /// Reads and tokenizes a file.
    /// - Throws: `InputError` with the line for a record that cannot be used, for one that the options call an error,
    ///   and for a file of which no token would be trained.
    package init(path: String, encoder: ExampleEncoder) throws(InputError) {
        guard encoder.options.maximumLength > 0 else {
            throw InputError(
                path,
                "the maximum length of examples must be positive, found \(encoder.options.maximumLength)")
        }
        var kept: [TokenizedExample] = []
        var report: DatasetReport?
        try DatasetFile.forEachRecord(in: path) { record throws(InputError) in
            var current =
                if let report { report } else {
                    DatasetReport(path: path, format: try Self.format(of: record, encoder.options))
                }
            let example = try Example(record, format: current.format)
            if let encoded = try Self.fitted(encoder.encode(example), example, encoder.options, &current) {
                kept.append(encoded)
            }
            report = current
        }
        // A file without records has thrown above.
        guard let report else { throw InputError(path, "the file holds no records") }
        guard report.labelledTokens > 0 else {
            throw InputError(
                path,
                "no token of the file's \(report.examplesRead) examples would be trained "
                    + "(\(report.overlongDropped) are too long, \(report.unlabelledDropped) have nothing to train)",
                advice: "Raise the maximum length, or check that the data fits the model's chat template")
        }
        examples = kept
        self.report = report
    }

    private static func format(
        of record: DatasetRecord, _ options: DatasetOptions
    ) throws(InputError) -> DatasetFormat {
        if let named = options.format { return named }
        return try Example.format(of: record)
    }

    /// The example as the options want it, counted; nil when it is left out.
    private static func fitted(
        _ encoded: TokenizedExample, _ example: Example, _ options: DatasetOptions,
        _ report: inout DatasetReport
    ) throws(InputError) -> TokenizedExample? {
        var encoded = encoded
        report.examplesRead += 1
        if encoded.count > options.maximumLength {
            switch options.overlong {
            case .drop:
                report.overlongDropped += 1
                return nil
            case .truncate:
                encoded.truncate(to: options.maximumLength)
                report.truncated += 1
            case .error:
                throw InputError(
                    example.location,
                    "the example has \(encoded.count) tokens, more than the maximum of \(options.maximumLength)",
                    advice: "Raise the maximum length, or choose to drop or truncate long examples")
            }
        }
        let labelled = encoded.labelledCount
        if labelled == 0 {
            guard options.unlabelled == .drop else {
                throw InputError(
                    example.location, "no token of the example would be trained",
                    advice:
                        "The answer may be empty, or cut off by the maximum length; choose to drop such examples"
                )
            }
            report.unlabelledDropped += 1
            return nil
        }
        report.examplesKept += 1
        report.tokens += encoded.count
        report.labelledTokens += labelled
        report.maximumLength = max(report.maximumLength, encoded.count)
        return encoded
    }
}
