// Commands as typed: help with examples that work, usage errors, exit codes.

import ArgumentParser
import FileSupport
import Testing

@testable import CommandLineTool
@testable import SparseLoRA
@testable import Training

@Suite struct CommandTests {
    private static let names = SparseLoRACommand.configuration.subcommands
        .map { $0.configuration }.filter(\.shouldDisplay).compactMap(\.commandName)

    @Test(arguments: names)
    func helpShowsExamplesThatParse(_ name: String) throws {
        let command = try #require(
            SparseLoRACommand.configuration.subcommands.first { $0.configuration.commandName == name })
        let examples = Self.examples(in: command.configuration.discussion)
        #expect(!examples.isEmpty)
        for arguments in examples {
            let parsed = try SparseLoRACommand.parseAsRoot(arguments)
            #expect(type(of: parsed) == command, "\(arguments)")
        }
        let help = SparseLoRACommand.helpMessage(for: command, columns: 100)
        #expect(help.contains("sparselora \(name)"))
        #expect(help.contains("USAGE:"))
    }

    @Test func toolsOwnHelpWalksThroughAWholeRun() throws {
        let examples = Self.examples(in: SparseLoRACommand.configuration.discussion)
        #expect(examples.map { $0[0] } == ["inspect", "train", "chat", "merge"])
        for arguments in examples { _ = try SparseLoRACommand.parseAsRoot(arguments) }
    }

    @Test(arguments: [
        ["generate", "--model", "m"], ["generate", "--model", "m", "--prompt", "a", "--prompts", "b"],
        ["generate", "--model", "m", "--prompt", "a", "--temperature=-1"],
        ["generate", "--model", "m", "--prompt", "a", "--temperature", "nan"],
        ["generate", "--model", "m", "--prompt", "a", "--top-p", "0"],
        ["generate", "--model", "m", "--prompt", "a", "--top-p", "1.5"],
        ["generate", "--model", "m", "--prompt", "a", "--top-k=-1"],
        ["generate", "--model", "m", "--prompt", "a", "--min-p", "1"],
        ["generate", "--model", "m", "--prompt", "a", "--max-tokens", "0"],
        ["generate", "--model", "m", "--prompt", "a", "--repetition-penalty", "0"],
        ["generate", "--model", "m", "--prompt", "a", "--stop", ""],
        ["generate", "--model", "m", "--prompt", "a", "--batch-size", "0"],
        ["chat"], ["evaluate", "--model", "m", "--data", "d", "--limit", "0"],
        ["evaluate", "--model", "m", "--data", "d", "--task", "beauty"],
        ["inspect", "m", "--examples=-1"], ["train", "--resume", "--overwrite"], ["fly"],
    ])
    func wrongUsageIsRefusedBeforeAnythingRuns(_ arguments: [String]) {
        do {
            _ = try SparseLoRACommand.parseAsRoot(arguments)
            Issue.record("\(arguments) was accepted")
        } catch {
            #expect(SparseLoRACommand.exitCode(for: error).rawValue == 64, "\(arguments)")
            // A value that was mistaken for a flag would be refused too, but not for what it is.
            #expect(!SparseLoRACommand.message(for: error).contains("Missing value"), "\(arguments)")
        }
    }

    @Test func samplingFlagsBecomeOptions() throws {
        let options = try SamplingFlags.parse([
            "--max-tokens", "5", "--temp", "0.5", "--top-k", "3", "--top-p", "0.9", "--min-p", "0.1",
            "--repetition-penalty", "1.1", "--seed", "4", "--stop", "a", "--stop", "b",
        ]).options
        var expected = GenerationOptions()
        (expected.maximumTokens, expected.temperature, expected.topK, expected.topP) = (5, 0.5, 3, 0.9)
        (expected.minP, expected.repetitionPenalty, expected.seed) = (0.1, 1.1, 4)
        expected.stopStrings = ["a", "b"]
        #expect(options == expected)
    }

    @Test func samplingDefaultsAreTheLibrarys() throws {
        #expect(try SamplingFlags.parse([]).options == GenerationOptions())
    }

    @Test func wrongInputExitsWith65() {
        #expect(exitCode { throw InputError("file", "it is missing") } == 65)
        #expect(
            exitCode {
                var command = try SparseLoRACommand.parseAsRoot([
                    "generate", "--model", "/does/not/exist", "--prompt", "a",
                ])
                try command.run()
            } == 65)
    }

    @Test func failedRunExitsWith70AndInterruptedWith75() {
        #expect(
            exitCode { throw TrainingFailure(step: 3, problem: "the loss is nan", savedAdapter: "x") } == 70)
        #expect(exitCode { throw ExitReason.interrupted } == 75)
        #expect(exitCode {} == 0)
    }

    private func exitCode(_ work: () throws -> Void) -> Int32 {
        do {
            try reportingFailures(work)
            return 0
        } catch {
            return SparseLoRACommand.exitCode(for: error).rawValue
        }
    }

    /// The arguments of every line that begins with the tool's name; two or more spaces begin a remark.
    private static func examples(in discussion: String) -> [[String]] {
        discussion.split(separator: "\n").compactMap { line in
            let text = line.drop { $0 == " " }
            guard text.hasPrefix("sparselora ") else { return nil }
            let command = text.split(separator: "  ")[0].dropFirst("sparselora ".count)
            // Words between quotes are one argument.
            return command.split(separator: "\"", omittingEmptySubsequences: false).enumerated().flatMap {
                $0.offset % 2 == 1 ? [String($0.element)] : $0.element.split(separator: " ").map(String.init)
            }
        }
    }
}
