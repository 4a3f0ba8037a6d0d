// Reading problems, scoring outputs, losses of a data set.

import ChatTemplates
import FileSupport
import Foundation
import Testing

@testable import Evaluation
@testable import TensorEngine
@testable import Training

@Suite struct EvaluationTests {
    private func file(_ lines: String) throws -> String {
        let path = NSTemporaryDirectory() + "evaluation-\(UUID().uuidString).jsonl"
        try lines.write(toFile: path, atomically: false, encoding: .utf8)
        return path
    }

    @Test func `problems are read from every format that has prompts`() throws {
        let chat = try file(
            """
            {"messages": [{"role": "user", "content": "1+1?"}, {"role": "assistant", "content": "It is 2."}], "answer": "2"}
            {"messages": [{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "The answer is 4."}]}
            """)
        let problems = try EvaluationProblem.read(chat)
        #expect(problems.map(\.answer) == [.number(2), .number(4)])
        #expect(
            problems[0].prompt
                == .chat(Conversation([ChatMessage(role: "user", content: "1+1?")]), plainText: nil))
        #expect(problems[1].location.hasSuffix("line 2"))
        let alpaca = try file(
            #"{"instruction": "Which?", "input": "a or b", "output": "", "answer": "answer1"}"#)
        let problem = try EvaluationProblem.read(alpaca)[0]
        #expect(problem.answer == .option("answer1"))
        #expect(problem.prompt.description == "Which?\n\na or b")
        let completion = try file(#"{"prompt": "3+3=", "completion": " 6"}"#)
        #expect(try EvaluationProblem.read(completion)[0].prompt == .text("3+3="))
        #expect(try EvaluationProblem.read(chat, limit: 1).count == 1)
    }

    @Test func `a record without prompt or answer is an error with its line`() throws {
        let cases = [
            #"{"text": "once"}"#,
            #"{"messages": [{"role": "user", "content": "1+1?"}]}"#,
            #"{"prompt": "a", "completion": "b"}"#,
            #"{"prompt": "a", "completion": "3", "answer": "a b"}"#,
        ]
        for text in cases {
            let error = #expect(throws: InputError.self) { try EvaluationProblem.read(file(text)) }
            #expect(error?.location.contains("line 1") == true)
        }
    }

    @Test func `accuracy counts, keeps every output and asks in batches`() throws {
        let problems = (0..<10).map {
            EvaluationProblem(prompt: .text("\($0)"), answer: .number(Double($0)), location: "line \($0)")
        }
        var batches: [Int] = []
        let result = AccuracyEvaluation(problems, batchSize: 4).run { prompts in
            batches.append(prompts.count)
            return prompts.map { prompt in
                guard let number = Int(prompt.description) else { return "" }
                return number < 7
                    ? "The answer is \(number)." : number == 9 ? "no idea" : "The answer is 100."
            }
        }
        #expect(batches == [4, 4, 2])
        #expect(result.count == 10)
        #expect(result.correctCount == 7)
        #expect(result.unansweredCount == 1)
        #expect(abs(result.accuracy - 0.7) < 1e-12)
        #expect(abs(result.standardError - (0.7 * 0.3 / 9).squareRoot()) < 1e-12)
        #expect(result.records[8].found == "100")
        #expect(result.summary.serialized().hasPrefix(#"{"accuracy": 0.7, "standard_error": 0.1527"#))
        let path = NSTemporaryDirectory() + "records-\(UUID().uuidString).jsonl"
        try result.writeRecords(to: path)
        let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
        #expect(lines.count == 10)
        let last = try JSONParser.parse(String(lines[9]), location: "records")
        #expect(last.objectValue?.keys == ["location", "prompt", "output", "expected", "found", "correct"])
        #expect(last["found"] == .null)
        #expect(AccuracyEvaluation([]).run { _ in [] }.accuracy == 0)
    }

    /// Every token costs half its number.
    private final class FixedLoss: TrainableModel {
        var parameters: [Parameter] { [] }
        func saveAdapter(to folder: String) throws(InputError) {}
        func loss(
            _ batch: Batch, gradientScale: Float, on tape: Tape, dropoutSeed: UInt64
        ) throws(InputError) -> TensorEngine.LossResult {
            let losses = batch.labels.filter { $0 >= 0 }.map { Float($0) / 2 }
            return LossResult(
                sum: losses.reduce(0) { $0 + Double($1) }, count: losses.count, rowLosses: losses)
        }
    }

    @Test func `the loss of a data set is the mean over labelled tokens`() throws {
        let examples = [
            TokenizedExample(tokens: [9, 2], isLabelled: [false, true]),
            TokenizedExample(tokens: [9, 4, 6], isLabelled: [false, true, true]),
        ]
        let result = try LossEvaluation.run(
            FixedLoss(), examples, batchSize: 1, backend: CPUBackend(), location: "test")
        #expect(result.loss == 2)
        #expect(result.labelledTokens == 3)
        #expect(abs(result.perplexity - 7.389056) < 1e-6)
        #expect(abs(result.standardError - (2.0 / 3 / 3).squareRoot()) < 1e-12)
        #expect(throws: InputError.self) {
            try LossEvaluation.run(
                FixedLoss(), [TokenizedExample(tokens: [1], isLabelled: [true])], batchSize: 1,
                backend: CPUBackend(), location: "test")
        }
    }
}
