// What templates read in one way only, reasoning by its names, and the requests of the hidden command.

import FileSupport
import Testing

@testable import ChatTemplates

@Suite("Ways of writing a message")
struct ConventionTests {
    private func parse(_ text: String) throws -> JSONValue {
        try JSONParser.parse(Array(text.utf8), location: "t")
    }

    private func message(_ text: String) throws -> ChatMessage {
        try #require(ChatMessage(members: try parse(text).objectValue ?? JSONObject()))
    }

    private func conventions(_ content: String, _ arguments: String = "") throws -> TemplateConventions {
        let calls = "{% for c in m.tool_calls or [] %}{{ c.function.name }}\(arguments){% endfor %}"
        let source = "{% for m in messages %}{{ m.role }}:\(content)\(calls);{% endfor %}"
        return TemplateConventions(of: try ChatTemplate(source: source, location: "t"))
    }

    private let parts = #"{"role": "user", "content": [{"type": "text", "text": "a"}, {"text": "b"}]}"#

    @Test("A list of text parts is joined for templates that would print it, and only for them")
    func contents() throws {
        let given = try message(parts)
        #expect(try conventions("{{ m.content }}").applied(to: [given])[0].content == .string("ab"))
        #expect(try conventions("{{ m.content|trim }}").applied(to: [given])[0].content == .string("ab"))
        #expect(try conventions("{{ m.content + '' }}").applied(to: [given])[0].content == .string("ab"))
        let reading = "{{ m.content if m.content is string else m.content|map(attribute='text')|join }}"
        #expect(try conventions(reading).applied(to: [given]) == [given])
        // By role: only the user's turns may be lists.
        let users = "{% if m.role == 'user' %}\(reading){% else %}{{ m.content + '' }}{% endif %}"
        var answer = given
        answer["role"] = .string("assistant")
        let applied = try conventions(users).applied(to: [given, answer])
        #expect(applied[0] == given && applied[1].content == .string("ab"))
    }

    @Test("Parts that are not text are left as they are")
    func otherParts() throws {
        let given = try message(#"{"role": "user", "content": [{"type": "thinking", "thinking": "x"}]}"#)
        #expect(try conventions("{{ m.content }}").applied(to: [given]) == [given])
    }

    @Test("Arguments are an object or JSON text, as the template reads them; what it reads as given stays")
    func arguments() throws {
        func call(_ arguments: String) throws -> ChatMessage {
            try message(
                #"{"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "f", "arguments": \#(arguments)}}]}"#
            )
        }
        let (object, text) = (try call(#"{"a": 1}"#), try call(#""{\"a\": 1}""#))
        let writesObjects = try conventions("{{ m.content }}", "{{ c.function.arguments|tojson }}")
        #expect(writesObjects.applied(to: [object, text]) == [object, object])
        let writesText = try conventions("{{ m.content }}", "{{ c.function.arguments }}")
        #expect(writesText.applied(to: [object, text]) == [text, text])
        let both = try conventions(
            "{{ m.content }}",
            "{{ c.function.arguments if c.function.arguments is string else c.function.arguments|tojson }}")
        #expect(both.applied(to: [object, text]) == [object, text])
        #expect(writesObjects.applied(to: [try call(#""no JSON""#)]) == [try call(#""no JSON""#)])
        // A template that writes no calls is given them as they are.
        #expect(try conventions("{{ m.content }}", "").applied(to: [object, text]) == [object, text])
    }

    @Test("Reasoning is given under each of its names, and members keep their order")
    func reasoning() throws {
        let template = try ChatTemplate(
            source: "{{ messages[0].reasoning_content }}|{{ messages[0].thinking }}|{{ messages[0]|tojson }}",
            location: "t")
        let given = try message(#"{"content": "c", "role": "assistant", "reasoning": "r"}"#)
        #expect(
            try template.render(messages: [given]) == """
                r|r|{"thinking": "r", "content": "c", "role": "assistant", "reasoning": "r", "reasoning_content": "r"}
                """)
        let none = try message(#"{"role": "assistant", "reasoning_content": null}"#)
        #expect(
            try template.render(messages: [none]) == """
                None||{"role": "assistant", "reasoning_content": null}
                """)
    }

    @Test("A member that is absent is undefined, not null")
    func absent() throws {
        let template = try ChatTemplate(source: "{{ messages[0].content is defined }}", location: "t")
        #expect(try template.render(messages: [try message(#"{"role": "assistant"}"#)]) == "False")
        #expect(ChatMessage(members: JSONObject([("role", .null)])) == nil)
    }

    @Test("The variables of a conversation come before those given beside it")
    func variables() throws {
        let template = try ChatTemplate(source: "{{ a }}{{ b }}", location: "t")
        let conversation = Conversation([], variables: JSONObject([("a", .integer(1))]))
        let others = JSONObject([("a", .integer(2)), ("b", .integer(3))])
        #expect(try template.rendered(conversation, variables: others).text == "13")
    }

    @Test("A request is answered with texts, marked ranges and refusals in the template's words")
    func requests() throws {
        let answer = try RenderRequest.answer(
            try parse(
                #"""
                {"template": "{% if messages %}é{% generation %}{{ messages[0].content }}{% endgeneration %}{{ strftime_now('%Y') }}{% else %}{{ raise_exception('none') }}{% endif %}",
                 "now": 86400000, "contexts": [{"messages": [{"role": "user", "content": "x"}]}, {"messages": []},
                 {"messages": [{"role": "user"}], "messages2": 1}]}
                """#))
        #expect(
            answer.serialized() == """
                {"results": [{"text": "éx1972", "spans": [[2, 3]]}, {"error": "none", "raised": true}, \
                {"text": "é1972", "spans": [[2, 2]]}]}
                """)
        let broken = try RenderRequest.answer(
            try parse(#"{"template": "{{", "now": 0, "contexts": [{"messages": []}]}"#))
        #expect(broken["results"]?.arrayValue?.first?["raised"] == .bool(false))
        #expect(throws: InputError.self) { try RenderRequest.answer(try parse("{}")) }
    }
}
