// The public interface: messages, variables, errors, time, spans.

import FileSupport
import Testing

@testable import ChatTemplates

@Suite("Chat templates")
struct ChatTemplateTests {
    static let turns = """
        {% for message in messages %}
        <|im_start|>{{ message.role }}
        {{ message.content }}<|im_end|>
        {% endfor %}
        {% if add_generation_prompt %}
        <|im_start|>assistant
        {% endif %}

        """

    private func render(_ source: String, _ context: JSONObject = JSONObject()) throws(InputError) -> String {
        try ChatTemplate(source: source, location: "chat_template.jinja").rendered(context: context).text
    }

    private func failure(_ source: String) -> InputError? {
        do {
            _ = try render(source)
            return nil
        } catch {
            return error
        }
    }

    @Test("A conversation is rendered turn by turn")
    func conversation() throws {
        let template = try ChatTemplate(source: Self.turns, location: "t")
        let messages = [
            ChatMessage(role: "user", content: "Hi"), ChatMessage(role: "assistant", content: "Hello"),
        ]
        #expect(
            try template.render(messages: messages)
                == "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHello<|im_end|>\n")
        #expect(
            try template.render(messages: [messages[0]], addGenerationPrompt: true)
                == "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n")
    }

    @Test("Variables, tools and the further members of a message reach the template")
    func variables() throws {
        let template = try ChatTemplate(
            source: "{{ bos_token }}{{ tools[0].name }}{{ messages[0].name }}{{ documents is none }}",
            location: "t")
        let message = ChatMessage(
            role: "user", content: .null,
            extra: JSONObject([("name", .string("Ada")), ("role", .string("x"))]))
        #expect(message.members["role"] == .string("user"))
        let text = try template.render(
            messages: [message], tools: .array([.object(JSONObject([("name", .string("search"))]))]),
            variables: JSONObject([("bos_token", .string("<s>"))]))
        #expect(text == "<s>searchAdaTrue")
    }

    @Test("A template that refuses a conversation gives its own message and line")
    func refusal() throws {
        let error = try #require(failure("one\n{{ raise_exception('no system role') }}"))
        #expect(error.location == "chat_template.jinja, line 2 of the chat template")
        #expect(error.problem == "the template refuses the conversation: no system role")
    }

    @Test("A tag that is not supported is named when the template is read")
    func unsupported() throws {
        let error = try #require(failure("a\nb\n{% include 'x' %}"))
        #expect(error.location.contains("line 3"))
        #expect(error.problem.contains("the 'include' tag is not supported"))
    }

    @Test("The time is that of the clock it is given")
    func time() throws {
        var template = try ChatTemplate(
            source: "{{ strftime_now('%Y') }}|{{ strftime_now('') }}", location: "t")
        template.clock = { 86_400 * 200 }
        #expect(try template.render(messages: []) == "1970|")
    }

    @Test("Generation blocks are found, and their ranges count UTF-8 bytes")
    func generations() throws {
        let marked = try ChatTemplate(
            source: "{% for m in messages %}é{% generation %}{{ m.content }}{% endgeneration %}{% endfor %}",
            location: "t")
        let plain = try ChatTemplate(source: Self.turns, location: "t")
        #expect(marked.marksGenerations && !plain.marksGenerations)
        let rendered = try marked.rendered(messages: [
            ChatMessage(role: "assistant", content: "è"), ChatMessage(role: "assistant", content: ""),
        ])
        #expect(rendered.generationSpans == [2..<4, 6..<6])
    }

    @Test("Values given to one rendering do not leak into the next")
    func independence() throws {
        let template = try ChatTemplate(
            source:
                "{% set ns = namespace(n=0) %}{% set ns.n = ns.n + 1 %}{{ ns.n }}{{ x is defined }}{% set x = 1 %}",
            location: "t")
        for _ in 0..<3 { #expect(try template.render(messages: []) == "1False") }
    }
}
