// Whole data sets: what is kept, left out, counted, refused.

import FileSupport
import Foundation
import Testing

@testable import Training

@Suite("Data sets")
struct DatasetTests {
    /// Examples of 4, 9 and 6 tokens; of the last nothing but the end is the answer.
    private static let lines = """
        {"prompt": "p", "completion": "ab"}
        {"prompt": "12345", "completion": "cde"}
        {"prompt": "12345", "completion": ""}
        """

    private func load(
        _ text: String = lines, change: (inout DatasetOptions) -> Void
    ) throws -> Dataset {
        var options = DatasetOptions()
        change(&options)
        let folder = try TemporaryFolder()
        let encoder = ExampleEncoder(tokenizer: ByteEncoder(), template: nil, options: options)
        return try Dataset(path: try folder.write(text, to: "train.jsonl"), encoder: encoder)
    }

    @Test("The report counts examples, tokens and labels")
    func report() throws {
        let dataset = try load { _ in }
        #expect(dataset.examples.map(\.count) == [4, 9, 6])
        let report = dataset.report
        #expect(report.format == .completions)
        #expect(report.examplesRead == 3 && report.examplesKept == 3)
        #expect(report.tokens == 19 && report.labelledTokens == 3 + 4 + 1)
        #expect(report.maximumLength == 9 && report.meanLength == 19.0 / 3)
    }

    @Test("Examples that are too long are dropped, cut or refused as the user wants, and counted")
    func overlong() throws {
        let dropped = try load { $0.maximumLength = 6 }
        #expect(dropped.examples.map(\.count) == [4, 6] && dropped.report.overlongDropped == 1)
        #expect(dropped.report.examplesRead == 3 && dropped.report.examplesKept == 2)
        let cut = try load {
            $0.maximumLength = 6
            $0.overlong = .truncate
        }
        #expect(cut.examples.map(\.count) == [4, 6, 6] && cut.report.truncated == 1)
        #expect(cut.examples[1].labelledCount == 1)
        let message = problem {
            _ = try load {
                $0.maximumLength = 6
                $0.overlong = .error
            }
        }
        #expect(message.contains("train.jsonl line 2: the example has 9 tokens, more than the maximum of 6"))
    }

    @Test("An example whose answer is cut off whole is refused, or dropped and counted")
    func unlabelled() throws {
        func options(_ unlabelled: DatasetOptions.Unlabelled) -> (inout DatasetOptions) -> Void {
            {
                $0.maximumLength = 5
                $0.overlong = .truncate
                $0.unlabelled = unlabelled
            }
        }
        #expect(
            problem { _ = try load(change: options(.error)) }.contains(
                "line 2: no token of the example would be trained"))
        let dataset = try load(change: options(.drop))
        #expect(dataset.examples.count == 1 && dataset.report.unlabelledDropped == 2)
        #expect(dataset.report.truncated == 2)
    }

    @Test("A data set of which nothing would be trained is an error before training")
    func nothingToTrain() {
        let message = problem { _ = try load { $0.maximumLength = 3 } }
        #expect(message.contains("no token of the file's 3 examples would be trained (3 are too long"))
        #expect(problem { _ = try load { $0.maximumLength = 0 } }.contains("must be positive"))
        #expect(problem { _ = try load("", change: { _ in }) }.contains("the file holds no records"))
    }

    @Test("A format that the user names is the file's, whatever else its records hold")
    func namedFormat() throws {
        let line = #"{"prompt": "p", "completion": "c", "text": "whole"}"#
        #expect(try load(line, change: { $0.format = .text }).examples[0].count == 6)
        #expect(try load(line, change: { _ in }).examples[0].count == 3)
        let message = problem { _ = try load { $0.format = .chat } }
        #expect(message.contains("line 1: expected a record of the file's format (chat), with \"messages\""))
    }

    @Test("The choices of a configuration are taken over")
    func configuration() {
        var section = DataSection()
        section.format = .completion
        section.sequenceLength = 9
        section.overlong = .truncate
        section.maskPrompt = false
        let options = DatasetOptions(section)
        #expect(options.format == .completions && options.maximumLength == 9)
        #expect(options.overlong == .truncate && options.unlabelled == .drop && !options.maskPrompt)
        #expect(DatasetOptions(DataSection()) == DatasetOptions())
    }

    @Test("A report survives being stored")
    func coding() throws {
        let report = try load { _ in }.report
        let stored = try JSONEncoder().encode(report)
        #expect(try JSONDecoder().decode(DatasetReport.self, from: stored) == report)
    }
}
