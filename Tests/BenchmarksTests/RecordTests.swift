// Runs of benchmarks as values: bars, files, comparisons, pages.

import FileSupport
import Foundation
import TestSupport
import Testing

@testable import Benchmarks

@Suite struct RecordTests {
    private static let machine = Machine(
        processor: "A processor", cores: 2, threads: 2, instructionSet: "avx2", commit: "abc1234+",
        date: "2026-11-21")

    private var record: RunRecord {
        var record = RunRecord(machine: Self.machine, form: "quick")
        record.cases = [FinishedCase(name: "step", seconds: 70)]
        record.figures = [
            Figure(scenario: "step", subject: "ours", quantity: "seconds", value: 8.5),
            Figure(scenario: "step", subject: "ours", quantity: "peak GB", value: 1.25),
            Figure(scenario: "step", subject: "PEFT bf16", quantity: "seconds", value: 30, isBound: true),
            Figure(scenario: "kernels", subject: "2x2", quantity: "GFLOP/s", value: 170),
        ]
        record.bars = [
            Bar(
                name: "dense step", direction: .atLeast, goal: 2.1, value: 2.3, unit: "x", note: "PEFT f32"),
            Bar(name: "memory", direction: .atMost, goal: 1.3, value: 1.4, unit: " GB", note: ""),
            Bar(name: "Gemma", direction: .atLeast, goal: 3, value: nil, unit: "x", note: "no file"),
        ]
        return record
    }

    @Test func barIsMetOnItsOwnSideOnly() {
        #expect(record.bars.map(\.isMet) == [true, false, false])
        var bar = record.bars[0]
        bar.value = 2.1
        #expect(bar.isMet)
        bar.direction = .atMost
        #expect(bar.isMet)
        bar.value = .nan
        #expect(!bar.isMet)
    }

    @Test func fileOfJSONLinesIsReadAsItWasWritten() throws {
        try withTemporaryFolder { folder in
            let path = "\(folder)/run.jsonl"
            try AtomicFile.write(to: path, text: record.jsonLines())
            #expect(try RunRecord(contentsOf: path) == record)
            for line in try record.jsonLines().split(separator: "\n") {
                #expect(try JSONParser.parse(String(line), location: "line")["record"]?.stringValue != nil)
            }
        }
    }

    @Test func finishedCasesAreKnownByName() {
        #expect(record.has(.step))
        #expect(!record.has(.gemma))
    }

    @Test func figuresOfAnotherMachineOrOtherSourcesDoNotGoTogether() {
        var committed = Self.machine
        committed.commit = "abc1234"
        var later = committed
        later.date = "2026-11-22"
        #expect(committed.measuresAlike(later))
        later.threads = 1
        #expect(!committed.measuresAlike(later))
        #expect(!Self.machine.measuresAlike(Self.machine), "sources that no commit names")
        later = committed
        later.commit = "0000000"
        #expect(!committed.measuresAlike(later), "a commit that does not exist")
    }

    @Test(arguments: ["{\"record\":\"figure\"}\n", "not JSON\n", "\n"])
    func fileOfSomethingElseIsRefused(_ text: String) throws {
        try withTemporaryFolder { folder in
            try AtomicFile.write(to: "\(folder)/run.jsonl", text: text)
            #expect(throws: InputError.self) { try RunRecord(contentsOf: "\(folder)/run.jsonl") }
        }
    }

    @Test func textShowsEveryFigureAndWhichBarsAreMissed() {
        let lines = record.text.split(separator: "\n")
        #expect(lines.first?.contains("commit abc1234+") == true)
        #expect(lines.contains { $0.contains("PEFT bf16") && $0.contains("≥ 30.0") })
        #expect(lines.contains { $0.contains("dense step") && $0.contains("2.30x") && $0.contains("met") })
        #expect(lines.contains { $0.contains("memory") && $0.contains("MISSED") })
        #expect(
            lines.contains { $0.contains("Gemma") && $0.contains("not measured") && $0.contains("MISSED") })
    }

    @Test func pageHasATableForBarsAndOneForEachCase() {
        let page = record.markdown
        #expect(page.hasPrefix("## A processor, avx2\n"))
        #expect(page.contains("| dense step | ≥ 2.10x | 2.30x | met | PEFT f32 |"))
        #expect(
            page.contains("### step\n\n|  | seconds | peak GB |\n| --- | --- | --- |\n| ours | 8.50 | 1.25 |")
        )
    }

    @Test func comparisonListsWhatMovedAndLeavesOutTheRest() {
        var now = record
        now.figures[0].value = 7.65
        now.figures[3].value = 171
        now.figures.append(Figure(scenario: "step", subject: "new", quantity: "seconds", value: 1))
        let text = now.comparison(with: record)
        #expect(text.contains("4 figures in both, 1 differ"))
        #expect(text.contains("0.900"))
        #expect(!text.contains("2x2"))
        #expect(record.comparison(with: record).contains("0 differ"))
    }
}
