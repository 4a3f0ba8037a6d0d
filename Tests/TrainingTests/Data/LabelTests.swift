// Which tokens are trained. The trained parts stand in brackets.

import ChatTemplates
import FileSupport
import Testing
import Tokenization

@testable import Training

@Suite("What is trained")
struct LabelTests {
    private func marked(
        _ line: String, template: String? = Templates.chatML, tokenizer: ByteEncoder = ByteEncoder(),
        maskPrompt: Bool = true
    ) throws -> String {
        let fields = try JSONParser.parse(line, location: "data").objectValue ?? JSONObject()
        let record = DatasetRecord(fields: fields, location: "train.jsonl line 5")
        let format = try #require(DatasetFormat.detected(in: fields))
        var options = DatasetOptions()
        options.maskPrompt = maskPrompt
        let encoder = ExampleEncoder(
            tokenizer: tokenizer, template: try template.map(Templates.template), options: options)
        return tokenizer.marked(try encoder.encode(Example(record, format: format)))
    }

    private let dialogue = """
        {"messages": [{"role": "system", "content": "S"}, {"role": "user", "content": "q1"},
         {"role": "assistant", "content": "a1"}, {"role": "user", "content": "q2"},
         {"role": "assistant", "content": "\\na2 "}]}
        """

    @Test(
        "Of a conversation the assistant's turns are trained with their terminator, but not the line end after it"
    )
    func chat() throws {
        #expect(
            try marked(dialogue) == """
                <|im_start|>system\nS<|im_end|>\n<|im_start|>user\nq1<|im_end|>\n<|im_start|>assistant
                [a1<|im_end|>]\n<|im_start|>user\nq2<|im_end|>\n<|im_start|>assistant
                [\na2 <|im_end|>]\n
                """)
    }

    @Test("Turns of the assistant that follow each other are each trained")
    func consecutive() throws {
        let line = """
            {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"},
             {"role": "assistant", "content": "b"}]}
            """
        #expect(
            try marked(line).hasSuffix(
                "assistant\n[a<|im_end|>]\n<|im_start|>assistant\n[b<|im_end|>]\n"))
    }

    @Test("A turn that no special token ends is trained to its last character")
    func noTerminator() throws {
        let plain = """
            {% for m in messages %}{{ m.role + ': ' + m.content + '\\n' }}{% endfor %}\
            {% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}
            """
        let line = #"{"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}"#
        #expect(try marked(line, template: plain) == "user: q\nassistant: [a\n]")
    }

    @Test("Generation blocks decide what is trained where a template has them")
    func generationBlocks() throws {
        let template = """
            {{ bos_token }}{% for m in messages %}{% if m.role == 'assistant' %}A:\
            {% generation %}{{ m.content + '</s>' }}{% endgeneration %}{% else %}U:{{ m.content }}{% endif %};\
            {% endfor %}
            """
        let line = """
            {"messages": [{"role": "user", "content": "é"}, {"role": "assistant", "content": "ü"},
             {"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}
            """
        #expect(
            try marked(line, template: template, tokenizer: ByteEncoder(beginsTexts: true))
                == "<s>U:é;A:[ü</s>];U:q;A:[a</s>];")
        let silent = template.replacing("m.role == 'assistant'", with: "m.role == 'model'")
        #expect(problem { _ = try marked(line, template: silent) }.contains("marks nothing"))
    }

    @Test("A beginning that the template writes is not doubled, and one it does not write is not added")
    func beginning() throws {
        let line = #"{"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}"#
        let tokenizer = ByteEncoder(beginsTexts: true)
        let written = try marked(line, template: "{{ bos_token }}" + Templates.chatML, tokenizer: tokenizer)
        #expect(written.hasPrefix("<s><|im_start|>user"))
        #expect(try marked(line, tokenizer: tokenizer).hasPrefix("<|im_start|>user"))
        #expect(
            try marked(#"{"prompt": "<s>p", "completion": "c"}"#, tokenizer: tokenizer) == "<s>p[c</s>]")
    }

    @Test("A turn that is written differently when the conversation goes on is an error with line and turn")
    func unlocatable() {
        let forgetful = Templates.chatML.replacing(
            "message.content", with: "(message.content if loop.last or message.role == 'user' else 'gone')")
        let message = problem { _ = try marked(dialogue, template: forgetful) }
        #expect(message.contains("train.jsonl line 5, turn 3: the chat template writes this turn"))
        #expect(message.contains("{% generation %}"))
    }

    @Test("What a template refuses is reported with the line of the data and of the template")
    func refused() {
        let message = problem {
            _ = try marked(dialogue, template: "\n{{ raise_exception('no system messages') }}")
        }
        #expect(
            message.contains("train.jsonl line 5: the template refuses the conversation: no system messages"))
        #expect(message.contains("chat_template.jinja, line 2"))
    }

    @Test("Without a chat template conversations are refused")
    func noTemplate() {
        #expect(problem { _ = try marked(dialogue, template: nil) }.contains("no chat template"))
    }

    @Test("Completions and their end are trained, prompts are not; texts are trained whole")
    func completions() throws {
        #expect(try marked(#"{"prompt": "1+1=", "completion": "2"}"#) == "1+1=[2</s>]")
        let tokenizer = ByteEncoder(beginsTexts: true)
        #expect(try marked(#"{"prompt": "p", "completion": "c"}"#, tokenizer: tokenizer) == "<s>p[c</s>]")
        #expect(try marked(#"{"text": "once"}"#, tokenizer: tokenizer) == "<s>[once</s>]")
        // The first token of all has nothing before it to be predicted from.
        #expect(try marked(#"{"text": "once"}"#) == "o[nce</s>]")
    }

    @Test("Instructions go through the chat template, or a plain form where there is none")
    func instructions() throws {
        let line = #"{"instruction": "Add", "input": "1 1", "output": "2"}"#
        #expect(
            try marked(line)
                == "<|im_start|>user\nAdd\n\n1 1<|im_end|>\n<|im_start|>assistant\n[2<|im_end|>]\n")
        #expect(
            try marked(line, template: nil)
                == "### Instruction:\nAdd\n\n### Input:\n1 1\n\n### Response:\n[2</s>]")
        #expect(
            try marked(#"{"instruction": "Go", "output": "ok", "system": "S"}"#, template: nil)
                == "S\n\n### Instruction:\nGo\n\n### Response:\n[ok</s>]")
    }

    @Test("Without masking the whole text is trained")
    func unmasked() throws {
        #expect(try marked(#"{"prompt": "pq", "completion": "c"}"#, maskPrompt: false) == "p[qc</s>]")
        #expect(try marked(dialogue, maskPrompt: false).hasPrefix("<|im_start|>[system\nS<|im_end|>\n"))
    }

    @Test("A tokenizer that cannot end a text is refused where the end would be trained")
    func noEnd() {
        var tokenizer = ByteEncoder()
        tokenizer.specialTokens = .init()
        let message = problem { _ = try marked(#"{"text": "a"}"#, tokenizer: tokenizer) }
        #expect(message.contains("line 5") && message.contains("could not learn to stop"))
    }
}
