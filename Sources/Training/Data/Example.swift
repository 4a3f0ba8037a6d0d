// One example of a data file, read but not yet tokenized.

package import ChatTemplates
package import FileSupport

package struct Example: Equatable, Sendable {
    package enum Content: Equatable, Sendable {
        case chat([ChatMessage], tools: JSONValue?)
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
        case .chat: content = .chat(try fields.messages(), tools: fields.tools)
        case .sharegpt: content = .chat(try fields.conversations(), tools: fields.tools)
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

/// Reads the fields of one record, with errors that say where they are wrong.
private struct RecordFields {
    let record: DatasetRecord
    let needsAnswer: Bool

    var tools: JSONValue? {
        guard let tools = record.fields["tools"], tools != .null else { return nil }
        return tools
    }

    func string(_ name: String) throws(InputError) -> String {
        guard let text = record.fields[name]?.stringValue else {
            throw InputError(
                record.location, "the field \"\(name)\" must be a string, found \(kind(record.fields[name]))")
        }
        return text
    }

    func optionalString(_ name: String) throws(InputError) -> String? {
        switch record.fields[name] {
        case nil, .null: nil
        default: try string(name)
        }
    }

    func messages() throws(InputError) -> [ChatMessage] {
        try items("messages") { object, place throws(InputError) in
            guard let role = object["role"]?.stringValue else {
                throw wrong(place, "\"role\" must be a string, found \(kind(object["role"]))")
            }
            let content = object["content"] ?? .null
            switch content {
            case .null, .string, .array: break
            default: throw wrong(place, "\"content\" must be a string or a list, found \(content.kindName)")
            }
            return ChatMessage(
                role: role, content: content,
                extra: JSONObject(object.members.filter { $0.key != "role" && $0.key != "content" }))
        }
    }

    private static let roles = [
        "human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant", "chatgpt": "assistant",
        "model": "assistant", "system": "system", "tool": "tool", "observation": "tool",
    ]

    func conversations() throws(InputError) -> [ChatMessage] {
        let turns = try items("conversations") { object, place throws(InputError) in
            guard let speaker = object["from"]?.stringValue, let role = Self.roles[speaker] else {
                let found = object["from"]?.stringValue.map { "\"\($0)\"" } ?? kind(object["from"])
                throw wrong(
                    place,
                    "\"from\" must be one of \(Self.roles.keys.sorted().joined(separator: ", ")), "
                        + "found \(found)")
            }
            guard let text = object["value"]?.stringValue else {
                throw wrong(place, "\"value\" must be a string, found \(kind(object["value"]))")
            }
            return ChatMessage(role: role, content: text)
        }
        guard let system = try optionalString("system"), !system.isEmpty else { return turns }
        return [ChatMessage(role: "system", content: system)] + turns
    }

    private func items(
        _ name: String, _ read: (JSONObject, String) throws(InputError) -> ChatMessage
    ) throws(InputError) -> [ChatMessage] {
        guard let values = record.fields[name]?.arrayValue else {
            throw InputError(
                record.location, "the field \"\(name)\" must be a list, found \(kind(record.fields[name]))")
        }
        var messages: [ChatMessage] = []
        for (index, value) in values.enumerated() {
            let place = "\(name)[\(index)]"
            guard let object = value.objectValue else {
                throw wrong(place, "must be an object, found \(value.kindName)")
            }
            messages.append(try read(object, place))
        }
        guard !needsAnswer || messages.contains(where: { $0.role == "assistant" }) else {
            throw InputError(
                record.location,
                "the conversation has no turn of the assistant, so nothing could be learnt from it"
            )
        }
        return messages
    }

    private func wrong(_ place: String, _ problem: String) -> InputError {
        InputError(record.location, "\(place): \(problem)")
    }

    private func kind(_ value: JSONValue?) -> String { value?.kindName ?? "nothing" }
}
