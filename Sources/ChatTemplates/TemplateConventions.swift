// Which of two ways of writing a message a template reads: found by trying both on small conversations.

import FileSupport

/// Data writes some things in two ways, and templates read one of them, both, or print nonsense: content as a text or
/// as a list of parts, and the arguments of a tool call as an object or as JSON text. What a template does with each is
/// found out once, and messages are then written in the way it reads. What it reads as it is stays as it is.
public struct TemplateConventions: Sendable {
    /// Roles whose content may be a list of parts.
    let rolesWithParts: Set<String>
    /// Whether the arguments of a call may be an object, and whether they may be JSON text.
    let takesObjects: Bool, takesJSONText: Bool

    /// Small conversations need little; a template that spends more has said that it does not read this.
    private static let limits: RenderLimits = {
        var limits = RenderLimits()
        limits.work = 100_000
        limits.stringBytes = 1 << 20
        return limits
    }()

    /// Tries a template.
    public init(of template: ChatTemplate) {
        var template = template
        template.limits = Self.limits
        let question = ChatMessage(role: "user", content: "Question")
        let call = Self.call(arguments: .object(JSONObject([("needle", .string("Found"))])))
        let openings: [(role: String, messages: [ChatMessage])] = [
            ("system", []), ("user", []), ("assistant", [question]), ("tool", [question, call]),
        ]
        var roles: Set<String> = []
        for (role, opening) in openings {
            let parts = JSONValue.array(["NeedleOne", "NeedleTwo"].map(Self.part))
            let closing = role == "system" ? [question] : []
            let messages = opening + [ChatMessage(role: role, content: parts)] + closing
            if Self.writes(messages, ["NeedleOne", "NeedleTwo"], not: ["'text'", "\"text\""], template) {
                roles.insert(role)
            }
        }
        rolesWithParts = roles
        takesObjects = Self.takes(
            .object(JSONObject([("needle", .string("Found"))])), not: ["{'needle'"], template)
        takesJSONText = Self.takes(
            .string("{\"needle\": \"Found\"}"), not: ["\\\"needle"], template)
    }

    private static func part(_ text: String) -> JSONValue {
        .object(JSONObject([("type", .string("text")), ("text", .string(text))]))
    }

    private static func call(arguments: JSONValue) -> ChatMessage {
        let function = JSONObject([("name", .string("probe")), ("arguments", arguments)])
        let call = JSONObject([
            ("id", .string("call00000")), ("type", .string("function")), ("function", .object(function)),
        ])
        return ChatMessage(
            role: "assistant", content: .string(""),
            extra: JSONObject([("tool_calls", .array([.object(call)]))]))
    }

    private static func takes(
        _ arguments: JSONValue, not garbled: [String], _ template: ChatTemplate
    ) -> Bool {
        let question = ChatMessage(role: "user", content: "Question")
        let result = ChatMessage(
            role: "tool", content: .string("Result"),
            extra: JSONObject([("tool_call_id", .string("call00000")), ("name", .string("probe"))]))
        let messages = [question, call(arguments: arguments), result]
        return writes(messages, ["needle", "Found"], not: garbled, template)
            || writes(messages.dropLast(), ["needle", "Found"], not: garbled, template)
    }

    private static func writes(
        _ messages: [ChatMessage], _ needles: [String], not garbled: [String], _ template: ChatTemplate
    ) -> Bool {
        let variables = JSONObject([("bos_token", .string("")), ("eos_token", .string(""))])
        guard let text = try? template.render(messages: messages, variables: variables) else { return false }
        return needles.allSatisfy { PythonText.contains(text, $0) }
            && !garbled.contains { PythonText.contains(text, $0) }
    }

    /// The messages as the template reads them.
    public func applied(to messages: [ChatMessage]) -> [ChatMessage] { messages.map(applied) }

    private func applied(to message: ChatMessage) -> ChatMessage {
        var message = message
        if !rolesWithParts.contains(message.role), let text = Self.joinedText(of: message.content) {
            message.content = .string(text)
        }
        if let calls = message["tool_calls"]?.arrayValue {
            message["tool_calls"] = .array(calls.map(withArguments))
        }
        return message
    }

    /// The text of a list of text parts; nil for other content.
    private static func joinedText(of content: JSONValue) -> String? {
        guard let parts = content.arrayValue else { return nil }
        var text = ""
        for part in parts {
            guard part["type"] == nil || part["type"] == .string("text"),
                let next = part["text"]?.stringValue
            else { return nil }
            text += next
        }
        return text
    }

    private func withArguments(_ call: JSONValue) -> JSONValue {
        guard var members = call.objectValue else { return call }
        if let function = members["function"] {
            members["function"] = withArguments(function)
        } else {
            switch members["arguments"] {
            case .string(let text) where !takesJSONText && takesObjects:
                if let value = try? JSONParser.parse(Array(text.utf8), location: "arguments"),
                    value.objectValue != nil
                {
                    members["arguments"] = value
                }
            case .some(.object(let object)) where !takesObjects && takesJSONText:
                members["arguments"] = .string(JSONValue.object(object).serialized())
            default: break
            }
        }
        return .object(members)
    }
}
