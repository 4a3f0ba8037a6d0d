// Whole runs of a tiny model: files, events, stopping, failing, resuming.

import FileSupport
import Foundation
@testable import TensorEngine
import Testing

@testable import Training

@Suite struct TrainerTests {
    private let backend = CPUBackend()
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func configuration(_ name: String = "run", steps: Int = 6) -> TrainingConfiguration {
        var configuration = TrainingConfiguration()
        configuration.outputFolder = "\(folder.path)/\(name)"
        configuration.steps = steps
        configuration.batchSize = 2
        configuration.gradientAccumulation = 2
        configuration.optimizer.learningRate = 0.05
        configuration.schedule.kind = .cosine
        configuration.schedule.warmupSteps = 2
        configuration.validation.interval = 2
        configuration.seed = 9
        return configuration
    }

    private func trainer(
        _ configuration: TrainingConfiguration, _ model: TinyModel, start: RunStart = .new,
        examples: [TokenizedExample]? = nil, onEvent: @escaping (TrainEvent) -> Void = { _ in }
    ) throws -> Trainer<TinyModel> {
        try Trainer(
            configuration, model: model, training: examples ?? tinyExamples(9),
            validation: tinyExamples(3, seed: 77), start: start, backend: backend, onEvent: onEvent)
    }

    private func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }

    /// A stop signal that goes off during a step.
    private func stops(_ model: TinyModel, after step: Int) -> (StopSignal, (TrainEvent) -> Void) {
        let signal = StopSignal()
        return (
            signal,
            { event in
                if case .step(let metrics) = event, metrics.step == step { signal.request() }
            }
        )
    }

    @Test func `a run lowers the loss and leaves its files`() throws {
        let model = TinyModel(backend: backend)
        var events: [TrainEvent] = []
        let configuration = configuration(steps: 30)
        let summary = try trainer(configuration, model) { events.append($0) }.run()
        guard case .started(let plan) = events.first else { throw InputError("events", "no start") }
        #expect(plan.totalSteps == 30)
        #expect(plan.stepsPerEpoch == 3)
        #expect(plan.trainableParameters == 32)
        #expect(events.last == .finished(summary))
        let losses = events.compactMap { if case .step(let metrics) = $0 { metrics.loss } else { nil } }
        #expect(losses.count == 30)
        let (early, late) = (losses[..<5].reduce(0, +), losses[25...].reduce(0, +))
        #expect(late < early - 0.5)
        let validations = events.compactMap { if case .validation(let metrics) = $0 { metrics } else { nil } }
        #expect(validations.map(\.step) == Array(stride(from: 2, through: 30, by: 2)))
        let best = validations.min { $0.loss < $1.loss }
        #expect(summary.bestValidationLoss == best?.loss)
        #expect(summary.bestStep == best?.step)
        for name in [
            "configuration.json", "metrics.jsonl", "loss.svg", "adapter/adapter.txt", "best/adapter.txt",
        ] {
            #expect(exists("\(configuration.outputFolder)/\(name)"), "\(name)")
        }
        let file = "\(configuration.outputFolder)/configuration.json"
        let document = try JSONParser.parse(fileAt: file)
        #expect(try TrainingConfiguration(document: document, location: file) == configuration)
    }

    @Test(arguments: [1, 3, 4])
    func `a stopped and resumed run equals an uninterrupted one bit for bit`(stoppedAfter: Int) throws {
        func run(_ name: String, stopAfter: Int?) throws -> (TinyModel, String) {
            var configuration = configuration(name)
            configuration.trace.file = "\(folder.path)/\(name)-trace.jsonl"
            var model = TinyModel(dropout: 0.2, backend: backend)
            if let stopAfter {
                let (signal, watch) = stops(model, after: stopAfter)
                let summary = try trainer(configuration, model, onEvent: watch).run(stop: signal)
                #expect(summary.wasStopped)
                #expect(summary.steps == stopAfter)
                #expect(summary.checkpoint.map(exists) == true)
                #expect(!exists("\(configuration.outputFolder)/adapter"))
                // A new process: other first values, an empty optimizer.
                model = TinyModel(dropout: 0.2, backend: backend)
                for parameter in model.parameters { backend.fill(parameter.value, with: 0.5) }
                let resumed = try trainer(configuration, model, start: .resume).run()
                #expect(!resumed.wasStopped)
                #expect(resumed.steps == 6)
            } else {
                _ = try trainer(configuration, model).run()
            }
            return (model, configuration.outputFolder)
        }
        let (whole, wholeFolder) = try run("whole", stopAfter: nil)
        let (parts, partsFolder) = try run("parts", stopAfter: stoppedAfter)
        #expect(whole.values == parts.values)
        for name in ["adapter/adapter.txt", "best/adapter.txt", "loss.svg"] {
            let left = try String(contentsOfFile: "\(wholeFolder)/\(name)", encoding: .utf8)
            let right = try String(contentsOfFile: "\(partsFolder)/\(name)", encoding: .utf8)
            #expect(left.replacing("whole", with: "parts") == right, "\(name)")
        }
        #expect(try folder.read("whole-trace.jsonl") == (try folder.read("parts-trace.jsonl")))
        #expect(try losses(wholeFolder) == (try losses(partsFolder)), "metrics without gaps or repeats")
    }

    private func losses(_ run: String) throws -> [String] {
        try String(contentsOfFile: "\(run)/metrics.jsonl", encoding: .utf8).split(separator: "\n").map {
            line in
            let record = try JSONParser.parse(String(line), location: run)
            return ["type", "step", "loss", "learning_rate", "gradient_norm", "labelled_tokens", "is_best"]
                .map { record[$0]?.serialized() ?? "-" }.joined(separator: " ")
        }
    }

    @Test func `a run killed while it writes resumes from the last whole checkpoint`() throws {
        var configuration = configuration()
        configuration.checkpoints.interval = 2
        let model = TinyModel(backend: backend)
        let (signal, watch) = stops(model, after: 5)
        _ = try trainer(configuration, model, onEvent: watch).run(stop: signal)
        let run = configuration.outputFolder
        // The newest checkpoint becomes a half-written one; lines of steps after the last whole one stay behind.
        try FileManager.default.moveItem(
            atPath: "\(run)/checkpoints/step-000005", toPath: "\(run)/checkpoints/.step-000005.partial")
        try FileManager.default.removeItem(atPath: "\(run)/checkpoints/.step-000005.partial/state.json")
        let log = try FileHandle(forWritingTo: URL(fileURLWithPath: "\(run)/metrics.jsonl"))
        try log.seekToEnd()
        try log.write(contentsOf: Data(#"{"type": "step", "ste"#.utf8))
        try log.close()
        let resumed = TinyModel(backend: backend)
        _ = try trainer(configuration, resumed, start: .resume).run()
        let whole = TinyModel(backend: backend)
        _ = try trainer(self.configuration("whole"), whole).run()
        #expect(resumed.values == whole.values)
        #expect(!exists("\(run)/checkpoints/.step-000005.partial"))
        #expect(try losses(run) == (try losses("\(folder.path)/whole")))
    }

    @Test func `only the newest checkpoints are kept`() throws {
        var configuration = configuration(steps: 9)
        configuration.checkpoints.interval = 2
        configuration.checkpoints.keep = 3
        _ = try trainer(configuration, TinyModel(backend: backend)).run()
        let folder = RunFolder(configuration.outputFolder)
        #expect(folder.checkpointSteps == [4, 6, 8])
    }

    @Test func `resuming with another configuration names the keys`() throws {
        let model = TinyModel(backend: backend)
        let (signal, watch) = stops(model, after: 2)
        _ = try trainer(configuration(), model, onEvent: watch).run(stop: signal)
        var changed = configuration()
        changed.optimizer.learningRate = 0.1
        changed.batchSize = 3
        changed.validation.interval = 5
        changed.checkpoints.keep = 7
        let error = #expect(throws: InputError.self) { try trainer(changed, model, start: .resume) }
        #expect(
            error?.problem == "the run was started with another configuration: "
                + "batch_size (2 -> 3), optimizer.learning_rate (0.05 -> 0.1)")
        var free = configuration()
        free.validation.interval = 5
        free.checkpoints.keep = 7
        #expect(try trainer(free, model, start: .resume).run().steps == 6)
    }

    @Test func `resuming with other data is an error`() throws {
        let model = TinyModel(backend: backend)
        let (signal, watch) = stops(model, after: 2)
        _ = try trainer(configuration(), model, onEvent: watch).run(stop: signal)
        let error = #expect(throws: InputError.self) {
            try trainer(configuration(), model, start: .resume, examples: tinyExamples(9, seed: 4))
        }
        #expect(error?.problem.contains("other data") == true)
    }

    @Test func `a folder that holds a run is not written to unless that is asked for`() throws {
        let model = TinyModel(backend: backend)
        _ = try trainer(configuration(steps: 2), model).run()
        let before = try losses(configuration().outputFolder)
        let error = #expect(throws: InputError.self) { try trainer(configuration(), model) }
        #expect(error?.problem.contains("already holds a run") == true)
        #expect(try losses(configuration().outputFolder) == before)
        #expect(throws: InputError.self) { try trainer(configuration(), model, start: .resume) }
        let note = "\(configuration().outputFolder)/notes.txt"
        try "mine".write(toFile: note, atomically: false, encoding: .utf8)
        #expect(try trainer(configuration(), model, start: .overwrite).run().steps == 6)
        #expect(exists(note), "only what a run wrote is removed")
    }

    @Test func `a damaged checkpoint is an error and never a crash`() throws {
        let model = TinyModel(backend: backend)
        let (signal, watch) = stops(model, after: 2)
        _ = try trainer(configuration(), model, onEvent: watch).run(stop: signal)
        let state = "\(configuration().outputFolder)/checkpoints/step-000002/state.json"
        let text = try String(contentsOfFile: state, encoding: .utf8)
        for (old, new) in [
            ("\"version\": 2", "\"version\": 99"), ("\"step\": 2", "\"step\": -2"),
            ("\"position\": 4", "\"position\": 400"), ("\"position\": 4", "\"position\": \"x\""),
            ("\"metrics_bytes\": ", "\"metrics_bytes\": 9"), ("{", "["),
        ] {
            #expect(text.contains(old), "\(old)")
            try text.replacing(old, with: new, maxReplacements: 1).write(
                toFile: state, atomically: false, encoding: .utf8)
            #expect(throws: InputError.self, "\(new)") { try trainer(configuration(), model, start: .resume) }
        }
    }

    @Test func `a loss that is not finite stops the run and saves the last good adapter`() throws {
        let model = TinyModel(backend: backend)
        model.lossOverride = { $0 == 7 ? .nan : nil }
        var values: [[[Float]]] = [model.values]
        let configuration = configuration()
        var withoutValidation = configuration
        withoutValidation.validation.interval = 100
        let trainer = try trainer(withoutValidation, model) { event in
            if case .step = event { values.append(model.values) }
        }
        // Five batches an epoch make steps of 2, 2 and 1 passes: the seventh belongs to step 4.
        let failure = #expect(throws: TrainingFailure.self) { try trainer.run() }
        #expect(failure?.step == 4)
        #expect(failure?.description.contains("Try a lower learning rate") == true)
        #expect(
            model.values == values[2],
            "the parameters of step 3's update gave the loss; those before are good")
        #expect(exists("\(configuration.outputFolder)/adapter/adapter.txt"))
        #expect(exists("\(configuration.outputFolder)/loss.svg"))
    }

    @Test func `a gradient that is not finite stops the run before the update`() throws {
        let model = TinyModel(backend: backend)
        var values: [[[Float]]] = []
        var withoutValidation = configuration()
        withoutValidation.validation.interval = 100
        let trainer = try trainer(withoutValidation, model) { event in
            if case .step = event { values.append(model.values) }
        }
        model.beforeLoss = { [backend] call in
            guard call == 6 else { return }
            let parameter = model.parameters[0]
            let broken = [Float](repeating: .infinity, count: parameter.value.count)
            parameter.gradientSlot?.contribute(
                backend.upload(
                    broken, rowCount: parameter.value.rowCount, width: parameter.value.width, type: .float32),
                on: backend)
        }
        let failure = #expect(throws: TrainingFailure.self) { try trainer.run() }
        #expect(failure?.step == 4)
        #expect(failure?.problem.contains("gradient") == true)
        #expect(model.values == values[2])
    }

    @Test func `the trace holds every sequence with labels as Hugging Face takes them`() throws {
        var configuration = configuration(steps: 1)
        configuration.gradientAccumulation = 1
        configuration.trace.file = "\(folder.path)/trace.jsonl"
        configuration.trace.initialAdapter = "\(folder.path)/initial"
        let model = TinyModel(backend: backend)
        let initial = model.values
        let example = TokenizedExample(tokens: [4, 5, 6, 7], isLabelled: [false, false, true, true])
        let other = TokenizedExample(tokens: [8, 9], isLabelled: [false, true])
        _ = try trainer(configuration, model, examples: [example, other]).run()
        let lines = try folder.read("trace.jsonl").split(separator: "\n").map(String.init)
        #expect(lines.count == 2)
        let settings = try JSONParser.parse(lines[0], location: "trace")["optimizer"]
        #expect(settings?["beta2"]?.doubleValue == configuration.optimizer.beta2)
        #expect(settings?["max_gradient_norm"]?.doubleValue == configuration.optimizer.maxGradientNorm)
        let record = try JSONParser.parse(lines[1], location: "trace")
        #expect(record.objectValue?.keys == ["step", "loss", "learning_rate", "sequences", "labels"])
        #expect(record["step"] == .integer(1))
        #expect(record["learning_rate"]?.doubleValue == 0)
        let pairs = zip(record["sequences"]?.arrayValue ?? [], record["labels"]?.arrayValue ?? [])
            .map { "\($0.serialized()) \($1.serialized())" }
        #expect(pairs.sorted() == ["[4, 5, 6, 7] [-100, -100, 6, 7]", "[8, 9] [-100, 9]"])
        #expect(try folder.read("initial/adapter.txt").contains("\(initial[0])"))
    }
}
