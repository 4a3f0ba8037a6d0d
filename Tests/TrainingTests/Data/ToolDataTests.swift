// Conversations with tools, calls, results, reasoning, parts and variables of the template, as files have them.

import ChatTemplates
import FileSupport
import Testing

@testable import Training

@Suite("Conversations with tools")
struct ToolDataTests {
    private func conversation(_ line: String) throws -> Conversation {
        let fields = try JSONParser.parse(line, location: "data").objectValue ?? JSONObject()
        let record = DatasetRecord(fields: fields, location: "train.jsonl line 2")
        guard case .chat(let conversation) = try Example(record, format: Example.format(of: record)).content
        else {
            Issue.record("not a conversation")
            return Conversation([])
        }
        return conversation
    }

    private let call =
        #"{"id": "c1", "type": "function", "function": {"name": "look", "arguments": {"at": 1}}}"#

    @Test("Tools, calls, results and reasoning are kept for the template")
    func kept() throws {
        let found = try conversation(
            """
            {"tools": [{"name": "look"}], "chat_template_kwargs": {"enable_thinking": false}, "messages": [
             {"role": "user", "content": [{"type": "text", "text": "q"}]},
             {"role": "assistant", "content": null, "reasoning_content": "t", "tool_calls": [\(call)]},
             {"role": "tool", "tool_call_id": "c1", "content": "r"}, {"role": "assistant", "content": "a"}]}
            """)
        #expect(found.tools?.arrayValue?.first?["name"] == .string("look"))
        #expect(found.variables["enable_thinking"] == .bool(false))
        #expect(found.messages.map(\.role) == ["user", "assistant", "tool", "assistant"])
        #expect(found.messages[1].content == .null && found.messages[1]["reasoning_content"] == .string("t"))
        let function = found.messages[1]["tool_calls"]?.arrayValue?.first?["function"]
        #expect(function?["arguments"]?["at"] == .integer(1))
        #expect(found.messages[2]["tool_call_id"] == .string("c1"))
    }

    @Test("Tools, calls and variables may be JSON text, as tables of one type a column need them")
    func asText() throws {
        let quoted = JSONValue.string("[\(call)]").serialized()
        let line = #"""
            {"tools": "[{\"name\": \"look\"}]", "chat_template_kwargs": "{\"x\": 1}", "messages": [
             {"role": "user", "content": "q", "tool_calls": null},
             {"role": "assistant", "content": "", "tool_calls": QUOTED}]}
            """#.replacing("QUOTED", with: quoted)
        let found = try conversation(line)
        #expect(found.tools?.arrayValue?.first?["name"] == .string("look"))
        #expect(found.variables["x"] == .integer(1))
        #expect(found.messages[0]["tool_calls"] == nil)
        #expect(found.messages[1]["tool_calls"]?.arrayValue?.first?["id"] == .string("c1"))
        let listed = try conversation(
            line.replacing(#""[{\"name\": \"look\"}]""#, with: #"["{\"name\": \"look\"}"]"#))
        #expect(listed.tools == found.tools)
        #expect(try conversation(line.replacing(#""[{\"name\": \"look\"}]""#, with: "\"\"")).tools == nil)
    }

    @Test("Calls and observations of ShareGPT become calls and the results that answer them, in order")
    func sharegpt() throws {
        let found = try conversation(
            #"""
            {"tools": "[]", "conversations": [{"from": "human", "value": "q"},
             {"from": "function_call", "value": "[{\"name\": \"look\", \"arguments\": {}}, {\"name\": \"go\"}]"},
             {"from": "observation", "value": "r1"}, {"from": "observation", "value": "r2"},
             {"from": "function_call", "value": "{\"name\": \"stop\", \"arguments\": {\"now\": true}}"},
             {"from": "tool_response", "value": "r3"}, {"from": "gpt", "value": "a"}]}
            """#)
        #expect(
            found.messages.map(\.role) == [
                "user", "assistant", "tool", "tool", "assistant", "tool", "assistant",
            ])
        let calls = [1, 4].flatMap { found.messages[$0]["tool_calls"]?.arrayValue ?? [] }
        #expect(calls.compactMap { $0["function"]?["name"]?.stringValue } == ["look", "go", "stop"])
        let results = [2, 3, 5].map { found.messages[$0] }
        #expect(results.map { $0["tool_call_id"] } == calls.map { $0["id"] })
        #expect(results.compactMap { $0["name"]?.stringValue } == ["look", "go", "stop"])
        // Nine characters, as some templates demand.
        #expect(calls.allSatisfy { $0["id"]?.stringValue?.count == 9 })
    }

    @Test("What a template reads in one way only is written so")
    func conventions() throws {
        let reads = """
            {% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content }}{% for c in m.tool_calls or [] %}\
            {{ c.function.name }}({% for k, v in c.function.arguments|items %}{{ k }}={{ v }}{% endfor %})\
            {% endfor %}{{ '<|im_end|>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}\
            {% endif %}
            """
        let line = #"""
            {"messages": [{"role": "user", "content": [{"type": "text", "text": "q"}, {"type": "text", "text": "!"}]},
             {"role": "assistant", "content": "", "tool_calls":
              [{"function": {"name": "look", "arguments": "{\"at\": 1}"}}]}]}
            """#
        #expect(
            try trained(line, template: reads)
                == "<|im_start|>user\nq!<|im_end|>\n<|im_start|>assistant\n[look(at=1)<|im_end|>]\n")
        let joins = reads.replacing(
            "{% for k, v in c.function.arguments|items %}{{ k }}={{ v }}{% endfor %}",
            with: "{{ c.function.arguments + '' }}")
        #expect(
            try trained(line.replacing(#""{\"at\": 1}""#, with: #"{"at": 1}"#), template: joins)
                == "<|im_start|>user\nq!<|im_end|>\n<|im_start|>assistant\n[look({\"at\": 1})<|im_end|>]\n")
    }

    @Test("What cannot be used is an error with its place")
    func errors() {
        let cases: [(String, [String])] = [
            (#"{"messages": [{"role": "assistant"}]}"#, ["messages[0]", "\"content\"", "found nothing"]),
            (#"{"messages": [{"role": "assistant", "content": null}]}"#, ["messages[0]", "found null"]),
            (
                #"{"messages": [{"role": "assistant", "content": [{"type": "image"}]}]}"#,
                ["messages[0].content[0]", "\"image\" cannot be trained"]
            ),
            (
                #"{"messages": [{"role": "assistant", "content": [{"type": "text"}]}]}"#,
                ["messages[0].content[0]", "\"text\" must be a string"]
            ),
            (
                #"{"messages": [{"role": "assistant", "content": ["x"]}]}"#,
                ["messages[0].content[0]", "found a string"]
            ),
            (
                #"{"messages": [{"role": "assistant", "tool_calls": [{"function": {}}]}]}"#,
                ["messages[0].tool_calls[0]", "must name a function"]
            ),
            (
                #"{"messages": [{"role": "assistant", "tool_calls": [{"name": "f", "arguments": [1]}]}]}"#,
                ["messages[0].tool_calls[0]", "\"arguments\" must be an object"]
            ),
            (
                #"{"messages": [{"role": "assistant", "tool_calls": "{"}]}"#,
                ["messages[0].tool_calls", "must be JSON"]
            ),
            (
                #"{"messages": [{"role": "assistant", "content": "a"}], "tools": 3}"#,
                ["tools: must be a list, found a number"]
            ),
            (
                #"{"messages": [{"role": "assistant", "content": "a"}], "tools": [3]}"#,
                ["tools[0]: must be an object"]
            ),
            (
                #"{"messages": [{"role": "assistant", "content": "a"}], "tools": "x"}"#,
                ["tools: must be JSON"]
            ),
            (
                #"{"messages": [{"role": "assistant", "content": "a"}], "chat_template_kwargs": [1]}"#,
                ["chat_template_kwargs: must be an object"]
            ),
            (
                #"{"messages": [{"role": "assistant", "content": "a"}], "chat_template_kwargs": {"tools": 1}}"#,
                ["chat_template_kwargs: \"tools\" is given otherwise"]
            ),
            (
                #"{"conversations": [{"from": "function_call", "value": "look"}]}"#,
                ["conversations[0].value", "must be JSON"]
            ),
        ]
        for (line, parts) in cases {
            let message = problem { _ = try conversation(line) }
            for part in ["train.jsonl line 2"] + parts {
                #expect(message.contains(part), "\(message) lacks \(part)")
            }
        }
    }
}
