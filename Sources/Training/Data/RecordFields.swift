// Reads the fields of one record, with errors that say where they are wrong.

import ChatTemplates
import FileSupport

struct RecordFields {
    let record: DatasetRecord
    let needsAnswer: Bool

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

    // MARK: Conversations

    /// These messages with what the record says besides of the conversation.
    func conversation(of messages: [ChatMessage]) throws(InputError) -> Conversation {
        guard !needsAnswer || messages.contains(where: { $0.role == "assistant" }) else {
            throw InputError(
                record.location,
                "the conversation has no turn of the assistant, so nothing could be learnt from it"
            )
        }
        return Conversation(messages, tools: try tools(), variables: try templateVariables())
    }

    /// The members of the field `messages`.
    func messages() throws(InputError) -> [ChatMessage] {
        try items("messages") { object, place throws(InputError) in
            // Tables hold null where a message lacks what others have; only a content of null means something.
            var members = JSONObject(
                object.members.filter { $0.value != .null || $0.key == "content" })
            guard let role = members["role"]?.stringValue else {
                throw wrong(place, "\"role\" must be a string, found \(kind(object["role"]))")
            }
            if let calls = members["tool_calls"] {
                members["tool_calls"] = try toolCalls(calls, "\(place).tool_calls")
            }
            try check(members["content"], place, mayLack: members["tool_calls"] != nil)
            return ChatMessage(members: members) ?? ChatMessage(role: role, content: .null)
        }
    }

    /// - Parameter mayLack: whether the message says something without content, as one that calls tools does.
    private func check(_ content: JSONValue?, _ place: String, mayLack: Bool) throws(InputError) {
        switch content {
        case nil where mayLack, .null where mayLack, .string: return
        case .array(let parts):
            for (index, part) in parts.enumerated() {
                let place = "\(place).content[\(index)]"
                guard let members = part.objectValue else {
                    throw wrong(place, "must be an object, found \(part.kindName)")
                }
                let type = members["type"]?.stringValue ?? "text"
                switch type {
                case "text", "thinking", "reasoning":
                    guard members[type]?.stringValue != nil || type != "text" else {
                        throw wrong(place, "\"text\" must be a string, found \(kind(members["text"]))")
                    }
                default:
                    throw wrong(place, "parts of type \"\(type)\" cannot be trained, only text")
                }
            }
        default: throw wrong(place, "\"content\" must be a string or a list, found \(kind(content))")
        }
    }

    /// Who speaks in ShareGPT's names, and the role that it is in templates.
    private static let roles = [
        "human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant", "chatgpt": "assistant",
        "model": "assistant", "function_call": "assistant", "tool_call": "assistant", "system": "system",
        "tool": "tool", "observation": "tool", "function_response": "tool", "tool_response": "tool",
    ]

    /// The turns of the field `conversations`, after those of the field `system`.
    ///
    /// A turn that calls tools has the calls as JSON text. They get names of nine characters, since some templates
    /// demand that, and the results that follow are given the names of the calls they answer, in order.
    func turns() throws(InputError) -> [ChatMessage] {
        var unanswered: [(id: String, name: String)] = []
        var callCount = 0
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
            var message = ChatMessage(role: role, content: text)
            if speaker == "function_call" || speaker == "tool_call" {
                let calls = try parsed(text, "\(place).value")
                let listed = calls.arrayValue ?? [calls]
                var named: [JSONValue] = []
                unanswered = []
                for call in try toolCalls(.array(listed), "\(place).value").arrayValue ?? [] {
                    let digits = String(callCount % 100_000)
                    let id = "call" + String(repeating: "0", count: 5 - digits.count) + digits
                    callCount += 1
                    let function = call["function"] ?? call
                    unanswered.append((id, function["name"]?.stringValue ?? ""))
                    named.append(
                        .object(
                            JSONObject([
                                ("id", .string(id)), ("type", .string("function")), ("function", function),
                            ])))
                }
                message = ChatMessage(
                    role: role, content: .string(""), extra: JSONObject([("tool_calls", .array(named))]))
            } else if role == "tool", !unanswered.isEmpty {
                let call = unanswered.removeFirst()
                let extra = JSONObject([("tool_call_id", .string(call.id)), ("name", .string(call.name))])
                message = ChatMessage(role: role, content: .string(text), extra: extra)
            }
            return message
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
        return messages
    }

    // MARK: Tools

    /// The field `tools`: a list of descriptions, or JSON text of one, as tables of one type a column need it.
    private func tools() throws(InputError) -> JSONValue? {
        guard let given = record.fields["tools"], given != .null, given != .string("") else { return nil }
        let value = if let text = given.stringValue { try parsed(text, "tools") } else { given }
        guard let items = value.arrayValue else {
            throw wrong("tools", "must be a list, found \(value.kindName)")
        }
        var tools: [JSONValue] = []
        for (index, item) in items.enumerated() {
            let tool = if let text = item.stringValue { try parsed(text, "tools[\(index)]") } else { item }
            guard tool.objectValue != nil else {
                throw wrong("tools[\(index)]", "must be an object, found \(tool.kindName)")
            }
            tools.append(tool)
        }
        return .array(tools)
    }

    /// The calls of a message, each `{"function": {"name": …, "arguments": …}}` or that without the outer object.
    private func toolCalls(_ given: JSONValue, _ place: String) throws(InputError) -> JSONValue {
        let value = if let text = given.stringValue { try parsed(text, place) } else { given }
        guard let calls = value.arrayValue else {
            throw wrong(place, "must be a list, found \(value.kindName)")
        }
        for (index, call) in calls.enumerated() {
            let function = call["function"] ?? call
            guard function["name"]?.stringValue != nil else {
                throw wrong(
                    "\(place)[\(index)]",
                    "must name a function, as in {\"function\": {\"name\": …, \"arguments\": {…}}}")
            }
            switch function["arguments"] {
            case nil, .string, .some(.object): break
            case .some(let other):
                throw wrong(
                    "\(place)[\(index)]",
                    "\"arguments\" must be an object or JSON text of one, found \(other.kindName)")
            }
        }
        return value
    }

    private func parsed(_ text: String, _ place: String) throws(InputError) -> JSONValue {
        do {
            return try JSONParser.parse(Array(text.utf8), location: place)
        } catch {
            throw wrong(place, "must be JSON: \(error.problem)")
        }
    }

    /// The field `chat_template_kwargs`: further variables of the template.
    private func templateVariables() throws(InputError) -> JSONObject {
        let name = "chat_template_kwargs"
        guard let given = record.fields[name], given != .null, given != .string("") else {
            return JSONObject()
        }
        let value = if let text = given.stringValue { try parsed(text, name) } else { given }
        guard let variables = value.objectValue else {
            throw wrong(name, "must be an object, found \(value.kindName)")
        }
        for taken in ["messages", "tools", "add_generation_prompt"] where variables[taken] != nil {
            throw wrong(name, "\"\(taken)\" is given otherwise and cannot stand here")
        }
        return variables
    }

    private func wrong(_ place: String, _ problem: String) -> InputError {
        InputError(record.location, "\(place): \(problem)")
    }

    private func kind(_ value: JSONValue?) -> String { value?.kindName ?? "nothing" }
}
