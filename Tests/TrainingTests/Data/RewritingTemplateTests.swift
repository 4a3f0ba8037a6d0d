// What is trained where a template writes turns differently once others follow. The trained parts stand in brackets.

import ChatTemplates
import FileSupport
import Testing
import Tokenization

@testable import Training

@Suite("What is trained by templates that rewrite turns")
struct RewritingTemplateTests {
    private let dialogue = """
        {"messages": [{"role": "user", "content": "q1"}, {"role": "assistant", "content": "a1"},
         {"role": "user", "content": "q2"}, {"role": "assistant", "content": "a2"}]
        """

    @Test("Reasoning that earlier turns lose is not looked for there, and that of the last is trained")
    func dropsReasoning() throws {
        let inline = dialogue.replacing("a1", with: "<think>\\nt1\\n</think>\\n\\na1")
            .replacing("a2", with: "<think>\\nt2\\n</think>\\n\\na2")
        let separate = dialogue.replacing("\"a1\"", with: "\"a1\", \"reasoning_content\": \"t1\"")
            .replacing("\"a2\"", with: "\"a2\", \"thinking\": \"t2\"")
        for line in [inline, separate] {
            #expect(
                try trained(line + "}", template: RewritingTemplates.dropsReasoning) == """
                    <|im_start|>user\nq1<|im_end|>\n<|im_start|>assistant\n[a1<|im_end|>]
                    <|im_start|>user\nq2<|im_end|>\n<|im_start|>assistant
                    [<think>\nt2\n</think>\n\na2<|im_end|>]\n
                    """)
        }
    }

    @Test("A prompt that closes the thought at once is what the last answer follows")
    func withoutThinking() throws {
        let line = dialogue + #", "chat_template_kwargs": {"enable_thinking": false}}"#
        #expect(
            try trained(line, template: RewritingTemplates.dropsReasoning) == """
                <|im_start|>user\nq1<|im_end|>\n<|im_start|>assistant\n[a1<|im_end|>]
                <|im_start|>user\nq2<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n[a2<|im_end|>]\n
                """)
    }

    @Test("Steps before the last question lose their reasoning too, though they are not the turn before it")
    func steps() throws {
        let line = """
            {"messages": [{"role": "user", "content": "q1"},
             {"role": "assistant", "content": "", "reasoning_content": "t1", "tool_calls":
              [{"function": {"name": "look", "arguments": {"at": "x"}}}]}, {"role": "tool", "content": "r1"},
             {"role": "assistant", "content": "a1", "reasoning_content": "t2"}, {"role": "user", "content": "q2"},
             {"role": "assistant", "content": "a2", "reasoning_content": "t3"}]}
            """
        #expect(
            try trained(line, template: RewritingTemplates.dropsReasoning) == """
                <|im_start|>user\nq1<|im_end|>\n<|im_start|>assistant\n[<call>look{"at": "x"}<|im_end|>]
                <|im_start|>tool\nr1<|im_end|>\n<|im_start|>assistant\n[a1<|im_end|>]
                <|im_start|>user\nq2<|im_end|>\n<|im_start|>assistant
                [<think>\nt3\n</think>\n\na2<|im_end|>]\n
                """)
    }

    @Test("A system message may go into the first question")
    func mergesSystem() throws {
        let line = dialogue.replacing("[{", with: #"[{"role": "system", "content": "S"}, {"#) + "}"
        #expect(
            try trained(line, template: RewritingTemplates.mergesSystem) == """
                <|im_start|>user\nS\n\nq1<|im_end|>\n<|im_start|>model\n[a1<|im_end|>]
                <|im_start|>user\nq2<|im_end|>\n<|im_start|>model\n[a2<|im_end|>]\n
                """)
    }

    @Test("Tools may stand before the last question only")
    func movesTools() throws {
        #expect(
            try trained(dialogue + #", "tools": [{"name": "t"}]}"#, template: RewritingTemplates.movesTools)
                == #"<s>[INST] q1 [/INST][ a1</s>][TOOLS][{"name": "t"}][/TOOLS][INST] q2 [/INST][ a2</s>]"#)
        let calls = """
            {"tools": "[{\\"name\\": \\"look\\"}]", "messages": [{"role": "user", "content": "q1"},
             {"role": "assistant", "tool_calls": [{"function": {"name": "look", "arguments": {}}}]},
             {"role": "tool", "content": "r1"}, {"role": "assistant", "content": "a1"},
             {"role": "user", "content": "q2"}, {"role": "assistant", "content": "a2"}]}
            """
        #expect(
            try trained(calls, template: RewritingTemplates.movesTools) == """
                <s>[INST] q1 [/INST][[CALL]look {}</s>][RESULT]r1[/RESULT][ a1</s>]\
                [TOOLS][{"name": "look"}][/TOOLS][INST] q2 [/INST][ a2</s>]
                """)
    }

    @Test("Where only the conversation ends with a token, earlier turns are trained without one")
    func endsOnce() throws {
        #expect(
            try trained(dialogue + "}", template: RewritingTemplates.endsOnce)
                == "user: q1\nassistant: [a1]\nuser: q2\nassistant: [a2\n</s>]")
    }

    @Test("A token that ends a turn is trained where another turn must follow for it to be written")
    func endsBetween() throws {
        #expect(
            try trained(dialogue + "}", template: RewritingTemplates.endsBetween)
                == "user: q1<|im_end|>assistant: [a1<|im_end|>]user: q2<|im_end|>assistant: [a2]")
    }

    @Test("What only the prompt opens is no part of the turn")
    func opensThought() throws {
        let line = dialogue.replacing("a1", with: "t1</think>a1").replacing("a2", with: "<b>") + "}"
        #expect(
            try trained(line, template: RewritingTemplates.opensThought)
                == "<s>user|q1<s>assistant|[a1</s>]<s>user|q2<s>assistant|[<b></s>]")
        #expect(
            try trained(dialogue + "}", template: RewritingTemplates.opensTwoWays)
                == "  user: q1<|im_end|>\n  assistant: [a1<|im_end|>]\n  user: q2<|im_end|>\n  assistant: [a2<|im_end|>]\n"
        )
    }

    @Test("A turn that the template opens after the last one is not trained")
    func alwaysPrompts() throws {
        #expect(
            try trained(dialogue + "}", template: RewritingTemplates.alwaysPrompts) == """
                <|im_start|>user\nq1<|im_end|>\n<|im_start|>assistant\n[a1<|im_end|>]
                <|im_start|>user\nq2<|im_end|>\n<|im_start|>assistant\n[a2<|im_end|>]\n<|im_start|>assistant\n
                """)
    }

    @Test("A turn with a tool's result inside cannot be one trained part: an error with line and turn")
    func splitsTurn() {
        let line = """
            {"messages": [{"role": "user", "content": "q1"}, {"role": "assistant", "content": "a1", "tool_calls":
              [{"function": {"name": "look", "arguments": {}}}]}, {"role": "tool", "content": "r1"},
             {"role": "assistant", "content": "a2"}]}
            """
        let message = problem { _ = try trained(line, template: RewritingTemplates.splitsTurn) }
        #expect(message.contains("train.jsonl line 5, turn 2: the chat template writes this turn"))
    }

    @Test("A template that leaves out what a turn calls is an error, not a turn without it")
    func dropsCalls() {
        let line = """
            {"messages": [{"role": "user", "content": "q1"}, {"role": "assistant", "content": "a1", "tool_calls":
              [{"function": {"name": "look", "arguments": {}}}]}]}
            """
        let message = problem { _ = try trained(line, template: Templates.chatML) }
        #expect(
            message.contains("line 5, turn 2: the chat template leaves out the tools that this turn calls"))
    }

    @Test("Whatever the conversation, all that the assistant says is trained and nothing that others say")
    func property() throws {
        var random = SeededGenerator(seed: 11)
        let decorations = [
            "", " ", "\\n", "<", "<think>", "</s", "Sentinel", "é", "\\\"", "<|im_start|>", "user: ",
        ]
        for round in 0..<160 {
            var messages: [String] = []
            for turn in 0..<(1 + random.below(4)) {
                let (before, after) = (
                    decorations[random.below(decorations.count)], decorations[random.below(decorations.count)]
                )
                messages.append(#"{"role": "user", "content": "\#(after)Q\#(turn)q\#(before)"}"#)
                messages.append(#"{"role": "assistant", "content": "\#(before)A\#(turn)a\#(after)"}"#)
            }
            let line = #"{"messages": [\#(messages.joined(separator: ", "))]}"#
            let template = RewritingTemplates.all[round % RewritingTemplates.all.count]
            let marked = try trained(line, template: template)
            var inside = false
            var (said, other) = ("", "")
            for character in marked.replacing("[INST]", with: "").replacing("[/INST]", with: "") {
                if character == "[" || character == "]" {
                    inside = character == "["
                } else if inside {
                    said.append(character)
                } else {
                    other.append(character)
                }
            }
            for turn in 0..<(messages.count / 2) {
                #expect(said.contains("A\(turn)a") && !other.contains("A\(turn)a"), "\(marked)")
                #expect(other.contains("Q\(turn)q") && !said.contains("Q\(turn)q"), "\(marked)")
            }
        }
    }
}
