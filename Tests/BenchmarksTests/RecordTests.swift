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

    private static let setting = SpeedSetting(
        model: "models/small", gemma: "gemma.gguf", data: nil, python: "python3", peer: "peer.py",
        form: .quick, epochBatches: nil, work: "work")

    private var record: RunRecord {
        var record = RunRecord(machine: Self.machine, form: "quick", options: Self.setting.options)
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

    @Test func fileOfARunThatDoesNotSayItsOptionsIsRead() throws {
        try withTemporaryFolder { folder in
            var older = record
            older.options = nil
            let text = try older.jsonLines()
            #expect(!text.contains("options"))
            #expect(try record.jsonLines().contains("\"epoch_batches\":1"))
            try AtomicFile.write(to: "\(folder)/run.jsonl", text: text)
            #expect(try RunRecord(contentsOf: "\(folder)/run.jsonl") == older)
        }
    }

    @Test func whatIsNoNumberIsNotKept() throws {
        var run = record
        run.add(figures: [
            Figure(scenario: "step", subject: "stopped", quantity: "seconds", value: .nan),
            Figure(scenario: "step", subject: "stopped", quantity: "tokens/s", value: .infinity),
            Figure(scenario: "step", subject: "ours", quantity: "tokens/s", value: 240.5),
        ])
        #expect(run.figures.dropFirst(record.figures.count).map(\.key) == ["step | ours | tokens/s"])
        var bar = record.bars[0]
        bar.value = .infinity
        run.add(bars: [bar, record.bars[0]])
        #expect(run.bars.suffix(2).map(\.value) == [nil, 2.3])
        #expect(run.bars.suffix(2).map(\.isMet) == [false, true])
        #expect(try run.jsonLines().contains("\"value\":240.5"))
    }

    @Test func runGoesOnOnlyWithOneOfTheSameOptions() {
        var begun = record
        begun.machine.commit = "abc1234"
        let machine = begun.machine
        #expect(begun.canGoOn(as: Self.setting, on: machine, with: [.step, .gemma]))
        #expect(!begun.canGoOn(as: Self.setting, on: machine, with: [.step]), "nothing is missing")
        #expect(!begun.canGoOn(as: Self.setting, on: Self.machine, with: [.gemma]), "other sources")
        func isLike(
            model: String = "models/small", python: String? = "python3", form: SpeedForm = .quick,
            epochBatches: Int? = nil, peer: String = "peer.py"
        ) -> Bool {
            let setting = SpeedSetting(
                model: model, gemma: "gemma.gguf", data: nil, python: python, peer: peer, form: form,
                epochBatches: epochBatches, work: "elsewhere")
            return begun.canGoOn(as: setting, on: machine, with: [.gemma])
        }
        #expect(isLike())
        #expect(isLike(epochBatches: 1), "the quick form's own number")
        #expect(!isLike(model: "models/large"))
        #expect(!isLike(python: nil))
        #expect(!isLike(form: .full, epochBatches: 2))
        #expect(!isLike(epochBatches: 8))
        #expect(!isLike(peer: "other.py"))
        begun.options = nil
        #expect(!isLike(), "an older file does not say how it was made")
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

    @Test func partOfARunSaysWhatItLacks() {
        let took = "cases: step 70 s; in all 1:10"
        let lacks =
            "not run: kernels, projections, gemma, billion, generation, growth, arithmetic, commonsense"
        #expect(record.text.contains("; 2026-11-21\n\(took)\n\(lacks)\n\n"))
        #expect(record.markdown.contains("\n\n\(took)\n\n\(lacks)\n\n| bar |"))

        var whole = record
        whole.cases = SpeedCase.allCases.filter { $0.isIn(.quick) }.map {
            FinishedCase(name: $0.rawValue, seconds: 500.4)
        }
        #expect(whole.text.contains("commonsense 500 s; in all 1:15:04\n\n"))
        #expect(!whole.text.contains("not run") && !whole.markdown.contains("not run"))
        whole.form = "full"
        #expect(whole.text.contains("\nnot run: sparsity\n"))

        var older = record
        older.cases = []
        for text in [older.text, older.markdown] {
            #expect(!text.contains("cases:") && !text.contains("not run"))
        }
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

    @Test func comparisonSaysWhichBarsChangedAndWhetherTheFormsDiffer() {
        let same = record.comparison(with: record)
        #expect(!same.contains("forms") && !same.contains("bars met"))
        var now = record
        now.form = "full"
        now.bars[0].value = 1.9
        now.bars[1].value = 1.2
        // A second case's bar of the same name, which the earlier run has not.
        now.bars.append(record.bars[1])
        let lines = now.comparison(with: record).split(separator: "\n")
        #expect(lines.contains("the forms differ: then quick, now full"))
        let changes = lines.drop { !$0.hasPrefix("bars met in one") }.dropFirst(2)
        #expect(changes.count == 2)
        #expect(
            changes.contains {
                $0.hasPrefix("dense step") && $0.contains("2.30x, met") && $0.contains("1.90x, MISSED")
            })
        #expect(
            changes.contains {
                $0.hasPrefix("memory") && $0.contains("1.40 GB, MISSED") && $0.contains("1.20 GB, met")
            })
    }
}
