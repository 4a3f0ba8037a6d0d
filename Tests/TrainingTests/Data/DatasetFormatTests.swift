// Reading data files: formats, lines, and what is wrong with them.

import ChatTemplates
import FileSupport
import Testing

@testable import Training

@Suite("Data files")
struct DatasetFormatTests {
    private func read(_ text: String) throws -> (format: DatasetFormat, examples: [Example]) {
        let folder = try TemporaryFolder()
        return try Example.read(try folder.write(text, to: "train.jsonl"))
    }

    private func failure(_ text: String) -> String { problem { _ = try read(text) } }

    private static let user = ChatMessage(role: "user", content: "Hi")
    private static let assistant = ChatMessage(role: "assistant", content: "Yo")

    @Test("Every format is recognised by its fields")
    func formats() throws {
        let cases: [(String, DatasetFormat, Example.Content)] = [
            (
                #"{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yo"}]}"#,
                .chat, .chat(Conversation([Self.user, Self.assistant]))
            ),
            (
                #"{"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Yo"}], "system": "S"}"#,
                .sharegpt,
                .chat(Conversation([ChatMessage(role: "system", content: "S"), Self.user, Self.assistant]))
            ),
            (
                #"{"instruction": "Add", "input": "1 1", "output": "2"}"#, .alpaca,
                .instruction("Add", input: "1 1", output: "2", system: nil)
            ),
            (
                #"{"instruction": "Add", "output": "2", "text": "ignored when instructions stand beside it"}"#,
                .alpaca, .instruction("Add", input: "", output: "2", system: nil)
            ),
            (
                #"{"prompt": "1+1=", "completion": "2"}"#, .completions,
                .completion(prompt: "1+1=", completion: "2")
            ),
            (#"{"text": "once"}"#, .text, .text("once")),
        ]
        for (text, format, content) in cases {
            let (found, examples) = try read(text)
            #expect(found == format)
            #expect(examples.map(\.content) == [content])
        }
    }

    @Test("Fields beside those of the format are kept for evaluation")
    func extras() throws {
        let examples = try read(#"{"prompt": "p", "completion": "c", "answer": "4.0", "task": 7}"#).examples
        #expect(examples[0].extra == JSONObject([("answer", .string("4.0")), ("task", .integer(7))]))
    }

    @Test("Blank lines, a byte order mark, Windows line ends and JSON lists are read")
    func layouts() throws {
        let texts = [
            "\u{FEFF}{\"text\": \"a\"}\r\n\r\n{\"text\": \"b\"}\r\n",
            "{\"text\": \"a\"}\n\n \t\n{\"text\": \"b\"}",
            " \n[{\"text\": \"a\"},\n {\"text\": \"b\"}]\n",
        ]
        for text in texts {
            #expect(try read(text).examples.map(\.content) == [.text("a"), .text("b")])
        }
        #expect(try read(texts[1]).examples[1].location.hasSuffix("train.jsonl line 4"))
        #expect(try read(texts[2]).examples[1].location.hasSuffix("train.jsonl item 2"))
    }

    @Test("A later line of another shape is an error with its line")
    func mixedFormats() {
        let message = failure("{\"text\": \"a\"}\n\n{\"prompt\": \"p\", \"completion\": \"c\"}")
        #expect(
            message.contains(
                "train.jsonl line 3: expected a record of the file's format (text), with \"text\""))
        #expect(message.contains("found the fields \"prompt\", \"completion\""))
    }

    @Test("Records that cannot be used say where and why")
    func badRecords() {
        let cases: [(String, [String])] = [
            ("", ["the file holds no records"]), ("\n \n", ["the file holds no records"]),
            ("[]", ["the file holds no records"]),
            ("{\"text\": \"a\"}\n{\"text\": ", ["line 2", "one whole JSON object on each line"]),
            ("{\n\"text\": \"a\"}", ["line 1", "one whole JSON object on each line"]),
            ("3", ["line 1: expected a JSON object, found a number"]),
            ("[{\"text\": \"a\"}, 3]", ["item 2: expected a JSON object, found a number"]),
            ("{\"txt\": \"a\"}", ["line 1", "txt", "messages (chat)", "prompt + completion (completions)"]),
            ("{}", ["line 1", "known format"]),
            ("{\"text\": 3}", ["line 1: the field \"text\" must be a string, found a number"]),
            ("{\"messages\": 3}", ["line 1: the field \"messages\" must be a list"]),
            ("{\"messages\": []}", ["line 1", "no turn of the assistant"]),
            (#"{"messages": [{"role": "user", "content": "x"}]}"#, ["line 1", "no turn of the assistant"]),
            (
                #"{"messages": [{"role": "assistant", "content": {}}]}"#,
                ["line 1: messages[0]", "\"content\""]
            ),
            (#"{"messages": [{"content": "x"}]}"#, ["messages[0]: \"role\" must be a string, found nothing"]),
            (#"{"messages": ["x"]}"#, ["messages[0]: must be an object, found a string"]),
            (
                #"{"conversations": [{"from": "alien", "value": "x"}]}"#,
                ["conversations[0]", "alien", "human"]
            ),
            (#"{"conversations": [{"from": "gpt"}]}"#, ["conversations[0]: \"value\" must be a string"]),
            (#"{"instruction": "x", "output": null}"#, ["the field \"output\" must be a string, found null"]),
        ]
        for (text, parts) in cases {
            let message = failure(text)
            for part in parts { #expect(message.contains(part), "\(message) lacks \(part)") }
        }
    }

    @Test("Cut and damaged files are errors, never crashes")
    func damaged() throws {
        let line =
            #"{"messages": [{"role": "user", "content": "é\n"}, {"role": "assistant", "content": "Yo"}]}"#
        var random = SeededGenerator(seed: 3)
        let folder = try TemporaryFolder()
        for round in 0..<150 {
            var bytes = Array((line + "\n" + line).utf8)
            if round % 2 == 0 {
                bytes.removeLast(random.below(bytes.count))
            } else {
                bytes[random.below(bytes.count)] ^= UInt8(1 << random.below(8))
            }
            let path = try folder.write(String(decoding: bytes, as: UTF8.self), to: "train.jsonl")
            #expect(!problem { _ = try Example.read(path) }.contains("another error"))
        }
    }

    @Test("A folder gives its train, valid and test files")
    func folders() throws {
        let folder = try TemporaryFolder()
        #expect(problem { _ = try DatasetPaths(path: folder.path) }.contains("no train.jsonl"))
        let train = try folder.write("{}", to: "train.jsonl")
        #expect(try DatasetPaths(path: folder.path) == DatasetPaths(path: train))
        let valid = try folder.write("[]", to: "valid.json")
        let paths = try DatasetPaths(path: folder.path)
        #expect(paths.train == train && paths.valid == valid && paths.test == nil)
        #expect(problem { _ = try DatasetPaths(path: folder.path + "/absent") }.contains("no such file"))
    }
}
