// One message of a conversation.

public import FileSupport

/// A message as a chat template sees it: who speaks, what they say, and whatever else the template knows.
public struct ChatMessage: Equatable, Sendable {
    /// All members in order: `role`, mostly `content`, and others such as `tool_calls`, `name` or
    /// `reasoning_content`. A member that is absent and one that is null are two things to a template.
    public private(set) var members: JSONObject

    /// A message whose content is a text.
    public init(role: String, content: String) {
        self.init(role: role, content: .string(content))
    }

    /// A message with any content and further members.
    public init(role: String, content: JSONValue, extra: JSONObject = JSONObject()) {
        members = JSONObject([("role", .string(role)), ("content", content)])
        for member in extra.members where members[member.key] == nil { members[member.key] = member.value }
    }

    /// A message as it stands in a file; nil when its role is not a string.
    public init?(members: JSONObject) {
        guard members["role"]?.stringValue != nil else { return nil }
        self.members = members
    }

    /// Usually "system", "user", "assistant" or "tool"; the template decides what it accepts.
    public var role: String { members["role"]?.stringValue ?? "" }

    /// A text, or a list of parts for templates that take them; null for a message that only calls tools.
    public var content: JSONValue {
        get { members["content"] ?? .null }
        set { members["content"] = newValue }
    }

    /// A member by name; setting nil removes it.
    public package(set) subscript(name: String) -> JSONValue? {
        get { members[name] }
        set { members[name] = newValue }
    }

    /// Names under which a message's reasoning is known; the first is the one that most templates read.
    private static let reasoningNames = ["reasoning_content", "thinking", "reasoning"]

    /// The message as templates get it: reasoning stands under `reasoning_content` and `thinking`, whatever the data
    /// calls it, since templates differ in which they read.
    var forTemplate: JSONValue {
        let given = Self.reasoningNames.compactMap { members[$0] }.first { $0 != .null }
        guard let reasoning = given else { return .object(members) }
        var renamed = JSONObject([("thinking", reasoning)])
        for member in members.members { renamed[member.key] = member.value }
        renamed["reasoning_content"] = reasoning
        return .object(renamed)
    }
}
