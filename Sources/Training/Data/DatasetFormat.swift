// The shapes of record that people have, told apart by their fields.

package import FileSupport

/// How the records of a data file are laid out. One file has one format, that of its first record.
public enum DatasetFormat: String, CaseIterable, Codable, Sendable {
    /// `{"messages": [{"role": …, "content": …}, …]}`, optionally with `tools` and `chat_template_kwargs`.
    case chat
    /// `{"conversations": [{"from": …, "value": …}, …]}`, optionally with `system`, `tools` and `chat_template_kwargs`.
    case sharegpt
    /// `{"instruction": …, "output": …}`, optionally with `input`.
    case alpaca
    /// `{"prompt": …, "completion": …}`.
    case completions
    /// `{"text": …}`.
    case text

    /// Fields that every record of the format has.
    package var requiredFields: [String] {
        switch self {
        case .chat: ["messages"]
        case .sharegpt: ["conversations"]
        case .alpaca: ["instruction", "output"]
        case .completions: ["prompt", "completion"]
        case .text: ["text"]
        }
    }

    /// Fields that a record of the format may have besides, and that shape the example.
    package var optionalFields: [String] {
        switch self {
        case .chat: ["tools", "chat_template_kwargs"]
        case .sharegpt: ["system", "tools", "chat_template_kwargs"]
        case .alpaca: ["input", "system"]
        case .completions, .text: []
        }
    }

    /// The format of a record: the first in the order of the cases whose fields it has, nil when it has none's.
    package static func detected(in record: JSONObject) -> DatasetFormat? {
        allCases.first { format in format.requiredFields.allSatisfy { record[$0] != nil } }
    }

    /// All formats with their fields, for messages about a record that has none of them.
    package static var summary: String {
        allCases.map { "\($0.requiredFields.joined(separator: " + ")) (\($0.rawValue))" }
            .joined(separator: ", ")
    }
}
