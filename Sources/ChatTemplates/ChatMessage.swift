// One message of a conversation.

public import FileSupport

/// A message as a chat template sees it: who speaks, what they say, and whatever else the template knows.
public struct ChatMessage: Equatable, Sendable {
    /// Usually "system", "user", "assistant" or "tool"; the template decides what it accepts.
    public var role: String
    /// A text, or a list of parts for templates that take them; null for a message that only calls tools.
    public var content: JSONValue
    /// Further members such as `tool_calls`, `name` or `reasoning_content`, in order.
    public var extra: JSONObject

    /// A message whose content is a text.
    public init(role: String, content: String) {
        self.init(role: role, content: .string(content))
    }

    /// A message with any content and further members.
    public init(role: String, content: JSONValue, extra: JSONObject = JSONObject()) {
        self.role = role
        self.content = content
        self.extra = extra
    }

    /// The message as a JSON object: role, content, then the further members.
    public var json: JSONValue {
        var object = JSONObject([("role", .string(role)), ("content", content)])
        for member in extra.members where object[member.key] == nil { object[member.key] = member.value }
        return .object(object)
    }
}
