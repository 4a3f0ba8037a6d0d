// What people and programs read: numbers, tables, the progress line, event lines.

import FileSupport
import Testing

@testable import CommandLineTool
@testable import Training

@Suite struct TerminalTests {
    @Test func numbersReadAsPeopleWriteThem() {
        #expect([999, 134_515_008, 1_235_000_000].map(Format.count) == ["999", "134.5 M", "1.24 B"])
        #expect(Format.count(12_340) == "12.3 k")
        #expect(
            [512_000, 96_500_000, 2_130_000_000].map(Format.bytes) == ["512.0 kB", "96.5 MB", "2.13 GB"])
        #expect([0, 59.6, 75, 3700].map(Format.duration) == ["0:00", "1:00", "1:15", "1:01:40"])
        #expect([.nan, .infinity, -1].map(Format.duration) == ["?", "?", "?"])
        #expect(Format.percent(0.1234) == "12.3%")
        #expect(Format.short(0.000_123_4) == "0.000123")
    }

    @Test func tableAlignsNumbersRightAndNamesLeft() {
        var table = TextTable()
        table.add(["name", "count"])
        table.add(["a", "7"])
        table.addFlushLeft("b", "x")
        #expect(table.rendered(indent: 1) == " name  count\n a         7\n b     x")
        #expect(TextTable().rendered() == "")
    }

    @Test(arguments: [0, 20, 40, 80, 200])
    func progressLineNeverWraps(_ width: Int) {
        let text = String(repeating: "x", count: 300)
        for fraction in [-1, 0, 0.5, 1, 7] {
            let line = ProgressLine.drawn(fraction, text, width: width)
            // Below 32 columns the bar alone is wider than the terminal.
            #expect(line.count < max(width, 33))
        }
        #expect(ProgressLine.drawn(0.5, "step 1", width: 80).hasSuffix(" 50%  step 1"))
        #expect(ProgressLine.drawn(1, "", width: 80).hasPrefix(String(repeating: "━", count: 24) + " 100%"))
    }

    private static let memory = MemoryUse(peakTensorBytes: 1, peakProcessBytes: 2)
    private static let events: [(name: String, event: TrainEvent, keys: [String])] = [
        (
            "started",
            .started(
                TrainingPlan(
                    totalSteps: 4, completedSteps: 0, stepsPerEpoch: 2, trainingExamples: 8,
                    validationExamples: 0, trainableParameters: 10, folder: "a/b")),
            ["total_steps", "trainable_parameters", "folder"]
        ),
        (
            "step",
            .step(
                StepMetrics(
                    step: 1, epoch: 0.5, loss: 2.25, learningRate: 1e-4, gradientNorm: 1, tokens: 3,
                    labelledTokens: 2, tokensPerSecond: 9, seconds: 0.1, memory: memory, secondsLeft: 3)),
            ["step", "loss", "learning_rate", "tokens_per_second", "memory"]
        ),
        (
            "validation",
            .validation(
                ValidationMetrics(step: 2, loss: .nan, labelledTokens: 4, isBest: false, seconds: 1)),
            ["step", "loss", "is_best"]
        ),
        ("checkpoint", .checkpointSaved(step: 2, path: "a \"b\""), ["step", "path"]),
        ("warning", .warning("line\nbreak"), ["text"]),
        (
            "profile",
            .profiled(
                StepProfile(
                    steps: 2, secondsPerStep: 0.5,
                    rows: [
                        StepProfile.Row(
                            phase: "forward", operation: "q, k, v", calls: 2, seconds: 0.5, share: 1,
                            gigaflopsPerSecond: 9, gigabytesPerSecond: nil)
                    ], trace: "run/profile.json", tracedSteps: 1)),
            ["steps", "seconds_per_step", "rows", "trace", "traced_steps"]
        ),
        (
            "finished",
            .finished(
                TrainingSummary(
                    steps: 4, totalSteps: 4, wasStopped: false, loss: 1, validationLoss: nil,
                    bestValidationLoss: nil, bestStep: nil, tokens: 1, labelledTokens: 1, tokensPerSecond: 1,
                    seconds: 1, memory: memory, adapter: "run/adapter", bestAdapter: nil, checkpoint: nil,
                    lossCurve: "run/loss.svg")),
            ["steps", "was_stopped", "adapter", "loss_curve"]
        ),
    ]

    @Test(arguments: events.indices)
    func everyEventIsOneLineOfJSON(_ index: Int) throws {
        let (name, event, keys) = Self.events[index]
        let line = try event.jsonLine()
        #expect(!line.contains("\n"))
        let document = try JSONParser.parse(line, location: name)
        #expect(document["event"] == .string(name))
        for key in keys { #expect(document[key] != nil, "\(key) in \(line)") }
    }
}
