// Masks with tokenizers that put a space before a text: it comes once, not at every border of a mask.

import ChatTemplates
import FileSupport
import Foundation
import Testing
import Tokenization

@testable import Training

struct SentencePieceLabelTests {
    /// A golden tokenizer, with tokens that begin and end texts.
    private func tokenizer(_ name: String) throws -> Tokenizer {
        let golden = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "Goldens/tokenizers/\(name)/tokenizer.json")
        let folder = try TemporaryFolder()
        try FileManager.default.copyItem(atPath: golden.path, toPath: "\(folder.path)/tokenizer.json")
        try AtomicFile.write(
            to: "\(folder.path)/tokenizer_config.json",
            text: #"{"bos_token": "<|bos|>", "eos_token": "<|eos|>"}"#)
        return try Tokenizer(folder: folder.path)
    }

    private static let llama2 = """
        {% for message in messages %}{% if message.role == 'user' %}\
        {{ bos_token + '[INST] ' + message.content + ' [/INST]' }}\
        {% else %}{{ ' ' + message.content + ' ' + eos_token }}{% endif %}{% endfor %}
        """
    /// Prompts end in a space, which the tokens of a whole text would draw into the answer.
    private static let vicuna = """
        {{ bos_token }}{% for message in messages %}{% if message.role == 'user' %}\
        {{ 'USER: ' + message.content + ' ASSISTANT: ' }}\
        {% else %}{{ message.content + eos_token + '\\n' }}{% endif %}{% endfor %}
        """

    private func encoded(_ tokenizer: Tokenizer, _ template: String) throws -> TokenizedExample {
        let messages = [
            ("user", "The river?"), ("assistant", "It rose by 12 centimetres"), ("user", "Привет"),
            ("assistant", "今日は"),
        ].map { ChatMessage(role: $0, content: $1) }
        let encoder = ConversationEncoder(
            template: try ChatTemplate(source: template, location: "chat_template.jinja"),
            tokenizer: tokenizer)
        return try encoder.encode(Conversation(messages), location: "train.jsonl line 1")
    }

    @Test(
        "A conversation has the tokens of its text, and what is trained begins where the prompt ends",
        arguments: ["llama2", "mistral", "metaspace", "gemma", "gpt2", "prefix-space"])
    func conversation(name: String) throws {
        let tokenizer = try tokenizer(name)
        let first = "<|bos|>[INST] The river? [/INST]"
        let text = "\(first) It rose by 12 centimetres <|eos|><|bos|>[INST] Привет [/INST]"
        let example = try encoded(tokenizer, Self.llama2)
        #expect(example.tokens == tokenizer.encode(text + " 今日は <|eos|>", addSpecialTokens: false))
        for prompt in [first, text] {
            let ids = tokenizer.encode(prompt, addSpecialTokens: false)
            #expect(example.tokens.starts(with: ids))
            #expect(!example.isLabelled[ids.count - 1])
            #expect(example.isLabelled[ids.count])
        }
        let labelled = zip(example.tokens, example.isLabelled).filter(\.1).map(\.0)
        // Of the metaspace golden, some characters are unknown.
        if name != "metaspace" {
            #expect(
                tokenizer.decode(labelled, skipSpecialTokens: false).trimmingPrefix(" ")
                    == "It rose by 12 centimetres <|eos|> 今日は <|eos|>")
        }
    }

    @Test(
        "An answer behind a prompt that ends in a space is encoded as it is said there, without a space of its own",
        arguments: ["llama2", "mistral", "gemma"])
    func promptsWithSpaces(name: String) throws {
        let tokenizer = try tokenizer(name)
        let example = try encoded(tokenizer, Self.vicuna)
        let prompt = tokenizer.encode("<|bos|>USER: The river? ASSISTANT: ", addSpecialTokens: false)
        #expect(example.tokens.starts(with: prompt))
        #expect(tokenizer.token(of: example.tokens[prompt.count])?.hasPrefix("I") == true)
        #expect(example.isLabelled.firstIndex(of: true) == prompt.count)
        let text = tokenizer.decode(example.tokens, skipSpecialTokens: false)
        #expect(text.contains("ASSISTANT: It rose by 12 centimetres<|eos|>"))
    }

    @Test("A completion continues its prompt", arguments: ["llama2", "mistral", "gemma", "gpt2"])
    func completion(name: String) throws {
        let tokenizer = try tokenizer(name)
        let record = DatasetRecord(
            fields: try #require(
                try JSONParser.parse(
                    #"{"prompt": "The river", "completion": " rose by 12"}"#, location: "data"
                ).objectValue), location: "train.jsonl line 1")
        let example = try ExampleEncoder(tokenizer: tokenizer, template: nil)
            .encode(Example(record, format: Example.format(of: record)))
        let prefix = name == "llama2" ? tokenizer.prefix : []
        let whole = prefix + tokenizer.encode("The river rose by 12", addSpecialTokens: false)
        #expect(example.tokens.dropLast() == whole[...])
    }
}
