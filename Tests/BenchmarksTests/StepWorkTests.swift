// What step cases compute: batches from files, plans made by counting.

import ArgumentParser
import FileSupport
import TestSupport
import Testing

@testable import Benchmarks
@testable import ContextualSparsity
@testable import Models

@Suite struct StepWorkTests {
    private func work(_ arguments: [String]) throws -> StepWork {
        try StepWork.parse(["--model", GoldenFolder("lora/model").path, "--dtype", "float32"] + arguments)
    }

    @Test func batchesOfAFileKeepLengthsAndLabels() throws {
        try withTemporaryFolder { folder in
            let path = "\(folder)/batches.jsonl"
            try AtomicFile.write(
                to: path, text: "{\"sequences\":[[5,6,7],[8,9]],\"trained\":[[0,0,1],[0,1]]}\n")
            let batches = try work(["--batches", path]).batches(vocabularySize: 10)
            #expect(batches.count == 1)
            #expect(batches[0].sequences.starts == [0, 3, 5])
            // The row before a trained token is scored; no label crosses into the next sequence.
            #expect(batches[0].labels == [-1, 7, -1, 9, -1])
        }
    }

    @Test(arguments: ["{}", "{\"sequences\":[[1,2]],\"trained\":[[1]]}", "[", "{\"sequences\":3}"])
    func damagedFileOfBatchesNamesItsLine(_ line: String) throws {
        try withTemporaryFolder { folder in
            let path = "\(folder)/batches.jsonl"
            try AtomicFile.write(to: path, text: line + "\n")
            let error = #expect(throws: InputError.self) { try LabelledSequences.read(path) }
            #expect(error?.location.contains("line 1") == true, "\(error?.description ?? "")")
        }
    }

    @Test func lastPartOfRandomSequencesIsLabelled() throws {
        let batch = try #require(
            try work(["--batch", "2", "--length", "8"]).batches(vocabularySize: 30).first)
        #expect(
            batch.labels.map { $0 >= 0 }
                == [5, 6, 13, 14].reduce(into: [Bool](repeating: false, count: 16)) {
                    $0[$1] = true
                })
        #expect(batch.labelledCount == 4)
    }

    @Test(arguments: [
        ["--batch", "0"], ["--length", "1"], ["--dtype", "int32"], ["--labelled-fraction", "0"],
    ])
    func sizesThatMakeNoStepAreRefused(_ arguments: [String]) {
        #expect(throws: (any Error).self) { try StepWork.parse(["--model", "m"] + arguments) }
    }

    @Test func stepLowersItsLossAndCountedPlansSpendWhatTheyShould() throws {
        let work = try work(["--batch", "2", "--length", "24", "--rank", "4", "--targets", "all-linear"])
        let step = try TimedStep(work)
        let batches = try work.batches(vocabularySize: step.model.configuration.vocabularySize)
        let losses = try (0..<8).map { _ in try step.run(batches[0]) }
        #expect(losses[7] < losses[0])
        // Random sequences may begin alike; plain LoRA computes that for each.
        let dense = step.cost(of: batches, sharesPrefixes: false).total
        if let plan = CountedPlan.spending(0.9, step: step, batches: batches) {
            let share = step.cost(of: batches, plan: plan).total / dense
            #expect(share <= 0.9 && share > 0.8)
        } else {
            // Two layers, of which the last is dense, leave little to leave out.
            #expect(step.model.configuration.layerCount <= 3)
        }
        #expect(CountedPlan.spending(0.01, step: step, batches: batches) == nil)
    }
}
