// One example of a data file, read but not yet tokenized.

package import ChatTemplates
package import FileSupport

package struct Example: Equatable, Sendable {
    package enum Content: Equatable, Sendable {
        case chat(Conversation)
        case instruction(String, input: String, output: String, system: String?)
        case completion(prompt: String, completion: String)
        case text(String)
    }

    package var content: Content
    /// Fields that do not shape the example, such as `answer` or `task`, kept for evaluation.
    package var extra: JSONObject
    /// The file with the line.
    package var location: String

    /// Reads a record that must have this format.
    /// - Parameter needsAnswer: false takes conversations without a turn of the assistant, as prompts are.
    /// - Throws: `InputError` with the line, naming the field.
    package init(
        _ record: DatasetRecord, format: DatasetFormat, needsAnswer: Bool = true
    ) throws(InputError) {
        let fields = RecordFields(record: record, needsAnswer: needsAnswer)
        guard format.requiredFields.allSatisfy({ record.fields[$0] != nil }) else {
            let found = record.fields.keys.prefix(8).map { "\"\($0)\"" }.joined(separator: ", ")
            throw InputError(
                record.location,
                expected: "a record of the file's format (\(format.rawValue)), with "
                    + format.requiredFields.map { "\"\($0)\"" }.joined(separator: " and "),
                found: found.isEmpty ? "no fields" : "the fields \(found)",
                advice: "Every line of a file has the same format; put other records into a file of their own"
            )
        }
        switch format {
        case .chat: content = .chat(try fields.conversation(of: fields.messages()))
        case .sharegpt: content = .chat(try fields.conversation(of: fields.turns()))
        case .alpaca:
            content = .instruction(
                try fields.string("instruction"), input: try fields.optionalString("input") ?? "",
                output: try fields.string("output"), system: try fields.optionalString("system"))
        case .completions:
            content = .completion(
                prompt: try fields.string("prompt"), completion: try fields.string("completion"))
        case .text: content = .text(try fields.string("text"))
        }
        let known = format.requiredFields + format.optionalFields
        extra = JSONObject(record.fields.members.filter { !known.contains($0.key) })
        location = record.location
    }

    /// Reads all examples of a file, whose format is that of its first record.
    /// - Parameter named: the format the user has named; nil finds it.
    package static func read(
        _ path: String, as named: DatasetFormat? = nil
    ) throws(InputError) -> (format: DatasetFormat, examples: [Example]) {
        var format = named
        var examples: [Example] = []
        try DatasetFile.forEachRecord(in: path) { record throws(InputError) in
            let fileFormat = if let format { format } else { try Example.format(of: record) }
            format = fileFormat
            examples.append(try Example(record, format: fileFormat))
        }
        // A file without records has thrown above.
        guard let format else { throw InputError(path, "the file holds no records") }
        return (format, examples)
    }

    package static func format(of record: DatasetRecord) throws(InputError) -> DatasetFormat {
        if let format = DatasetFormat.detected(in: record.fields) { return format }
        throw InputError(
            record.location, expected: "the fields of a known format",
            found: "\(record.fields.keys.prefix(8))",
            advice: "Known formats have: \(DatasetFormat.summary)")
    }
}
