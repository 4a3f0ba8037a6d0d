// The library as its users see it, from training to a merged model, on a tiny random model.

import FileSupport
import Foundation
import SparseLoRA
import TestSupport
import Testing

@Suite struct FineTuningTests {
    @Test func trainedAdapterWorksFromItsFolderAndMergedIntoTheModel() throws {
        try withTinyRun { configuration in
            let run = try FineTuning(configuration)
            var losses: [Double] = []
            let summary = try run.run { event in
                if case .step(let metrics) = event { losses.append(metrics.loss) }
            }
            #expect(losses.count == 6)
            #expect(try #require(losses.last) < losses[0])
            #expect(!summary.wasStopped)
            let folder = configuration.outputFolder
            for name in [
                "adapter/adapter_config.json", "adapter/adapter_model.safetensors", "configuration.json",
                "metrics.jsonl", "loss.svg", "summary.json",
            ] {
                #expect(FileStatus(path: "\(folder)/\(name)") == .file, "\(name)")
            }

            let base = try LanguageModel(path: configuration.model, computeType: .float32)
            let untrained = try answer(of: base)
            try base.useAdapter(at: folder)
            let adapted = try answer(of: base)
            #expect(adapted == (try answer(of: run.model)))
            #expect(adapted != untrained)
            let merged = configuration.outputFolder + "-merged"
            try LanguageModel.merge(model: configuration.model, adapter: folder, into: merged, type: .float32)
            #expect(try answer(of: LanguageModel(path: merged, computeType: .float32)) == adapted)
            base.removeAdapter()
            #expect(try answer(of: base) == untrained)
        }
    }

    @Test func stoppedRunWritesACheckpointAndResumesToTheSameAdapter() throws {
        try withTinyRun { whole in
            try FineTuning(whole).run()
            var interrupted = whole
            interrupted.outputFolder += "-interrupted"
            let stop = StopSignal()
            let first = try FineTuning(interrupted).run(stop: stop) { event in
                if case .step(let metrics) = event, metrics.step == 3 { stop.request() }
            }
            #expect(first.wasStopped)
            #expect(first.steps == 3)
            #expect(first.adapter == nil)
            let checkpoint = try #require(first.checkpoint)
            #expect(FileStatus(path: "\(checkpoint)/optimizer.safetensors") == .file)
            #expect(FileStatus(path: "\(interrupted.outputFolder)/adapter") == .missing)

            let second = try FineTuning(interrupted, start: .resume).run()
            #expect(second.steps == 6)
            #expect(try losses(in: interrupted.outputFolder) == losses(in: whole.outputFolder))
            #expect(
                try bytes("\(interrupted.outputFolder)/adapter/adapter_model.safetensors")
                    == bytes("\(whole.outputFolder)/adapter/adapter_model.safetensors"))
        }
    }

    @Test func runWhosePlanWasFittedAgainResumesToTheSameAdapter() throws {
        try withTinyRun { once in
            var once = once
            once.sparsity.plan = .file(once.outputFolder + "-plan.yaml")
            var plan = SparsityPlan.uniform(feedForward: 0.5, attention: 0, layers: 0..<1)
            (plan.rank, plan.startStep, plan.endStep) = (4, ScheduleStep(0), ScheduleStep(1))
            try plan.write(to: once.outputFolder + "-plan.yaml")
            try FineTuning(once).run()
            var whole = once
            whole.outputFolder += "-whole"
            whole.sparsity.refitStep = 0.3
            var refits: [Int] = []
            try FineTuning(whole).run { event in
                if case .sparsityRefit(let refit) = event { refits.append(refit.step) }
            }
            #expect(refits == [2])
            let (before, after) = (try losses(in: once.outputFolder), try losses(in: whole.outputFolder))
            #expect(before.prefix(2) == after.prefix(2) && before.last != after.last)

            for stop in [1, 2, 4] {
                var interrupted = whole
                interrupted.outputFolder += "-\(stop)"
                let signal = StopSignal()
                try FineTuning(interrupted).run(stop: signal) { event in
                    if case .step(let metrics) = event, metrics.step == stop { signal.request() }
                }
                try FineTuning(interrupted, start: .resume).run()
                #expect(try losses(in: interrupted.outputFolder) == after, "stopped after step \(stop)")
                #expect(
                    try bytes("\(interrupted.outputFolder)/adapter/adapter_model.safetensors")
                        == bytes("\(whole.outputFolder)/adapter/adapter_model.safetensors"))
            }
        }
    }

    @Test func anotherRunIsNeverOverwrittenUnasked() throws {
        try withTinyRun { configuration in
            try FineTuning(configuration).run()
            let error = #expect(throws: InputError.self) { try FineTuning(configuration).run() }
            #expect(error?.location == configuration.outputFolder)
            #expect(try FineTuning(configuration, start: .overwrite).run().steps == 6)
        }
    }

    @Test func configurationMadeInCodeIsChecked() throws {
        try withTinyRun { configuration in
            var configuration = configuration
            configuration.sparsity.plan = .share(1.5)
            let error = #expect(throws: InputError.self) { try FineTuning(configuration) }
            #expect(error?.description.hasPrefix("configuration key sparsity.plan: expected auto") == true)
        }
    }

    @Test func measuredPlanTrainsAndSaysWhatItLeavesOut() throws {
        try withTinyRun { configuration in
            var configuration = configuration
            configuration.steps = 20
            configuration.sparsity.plan = .share(0.97)
            let planning = try SparsityPlanning(configuration)
            let share = try #require(planning.plan.flopShare)
            #expect(share <= 0.97 && planning.speedUp >= 1)
            #expect(planning.blocks.last?.feedForward == nil && planning.heatMap.contains("<svg"))
            #expect(planning.operations.contains { $0.name == "head" && $0.sparse <= $0.plain })
            let path = configuration.outputFolder + "-plan.yaml"
            try planning.plan.write(to: path)
            configuration.sparsity.plan = .file(path)
            let summary = try FineTuning(configuration).run()
            #expect(try #require(summary.sparsity).flopShare <= 1)
            let metrics = try String(
                contentsOfFile: configuration.outputFolder + "/metrics.jsonl", encoding: .utf8)
            let records = try metrics.split(separator: "\n").map {
                try JSONParser.parse(String($0), location: "metrics")
            }
            let report = try #require(records.first { $0["type"] == .string("sparsity") })
            #expect(report["operations"]?.arrayValue?.count == 6)
            #expect(records.contains { $0["sparsity"]?["is_sparse"]?.boolValue == true })
            // Nothing of the plan is in the adapter: it is one for the dense model.
            let files = try FileManager.default.contentsOfDirectory(
                atPath: configuration.outputFolder + "/adapter")
            #expect(
                Set(files).isSubset(of: ["adapter_config.json", "adapter_model.safetensors", "README.md"]))
        }
    }

    @Test func resumingWithAnotherLearningRateNamesIt() throws {
        try withTinyRun { configuration in
            var configuration = configuration
            configuration.checkpoints.interval = 2
            try FineTuning(configuration).run()
            configuration.optimizer.learningRate = 0.5
            let error = #expect(throws: InputError.self) {
                try FineTuning(configuration, start: .resume).run()
            }
            #expect(error?.problem.contains("optimizer.learning_rate") == true)
        }
    }

    @Test func dataIsScoredByAnswerAndByLoss() throws {
        try withTinyRun { configuration in
            let model = try LanguageModel(path: configuration.model, computeType: .float32)
            var options = GenerationOptions()
            options.maximumTokens = 4
            let accuracy = try model.accuracy(onFile: configuration.data.training, limit: 3, options: options)
            #expect(accuracy.records.map(\.expected) == ["0", "2", "4"])
            let loss = try model.loss(onFile: configuration.data.training)
            #expect(loss.examples == 12)
            #expect(loss.loss > 0 && loss.loss.isFinite)
        }
    }

    @Test func profiledRunNamesTheModelsPartsAndTrainsTheSameAdapter() throws {
        try withTinyRun { plain in
            try FineTuning(plain).run()
            var profiled = plain
            profiled.outputFolder += "-profiled"
            profiled.profile.file = ProfileSection.automatic
            var profile: StepProfile?
            try FineTuning(profiled).run { event in
                if case .profiled(let found) = event { profile = found }
            }
            let rows = try #require(profile).rows
            for part in ["q, k, v", "o", "gate, up", "down", "head", "adapters", "attention"] {
                #expect(rows.contains { $0.operation == part && $0.phase == "forward" }, "\(part)")
            }
            #expect(!rows.contains { $0.operation.hasPrefix("product") })
            #expect(FileStatus(path: "\(profiled.outputFolder)/profile.json") == .file)
            #expect(try losses(in: profiled.outputFolder) == losses(in: plain.outputFolder))
            #expect(
                try bytes("\(profiled.outputFolder)/adapter/adapter_model.safetensors")
                    == bytes("\(plain.outputFolder)/adapter/adapter_model.safetensors"))
        }
    }

    @Test func inspectionDescribesModelRunAndData() throws {
        try withTinyRun { configuration in
            try FineTuning(configuration).run()
            let model = try Inspection.report(at: configuration.model)
            #expect(model.json["layers"] == .integer(2))
            #expect(model.json["chat_template"] == .bool(true))
            let adapter = try Inspection.report(at: configuration.outputFolder)
            #expect(adapter.json["r"] == .integer(4))
            let data = try Inspection.report(
                at: configuration.data.training, dataModel: configuration.model, exampleCount: 1)
            #expect(data.json["examples"] == .integer(12))
            #expect(data.texts[0].contains("assistant\n⟦The answer is 0<|eos|>⟧"))
        }
    }

    /// A folder with a model and data, and a configuration of six steps on them.
    private func withTinyRun(_ body: (TrainingConfiguration) throws -> Void) throws {
        try withTemporaryFolder { folder in
            try TinyModel.write(to: "\(folder)/model")
            try TinyModel.writeData(to: "\(folder)/train.jsonl")
            var configuration = TrainingConfiguration()
            configuration.model = "\(folder)/model"
            configuration.outputFolder = "\(folder)/run"
            configuration.data.training = "\(folder)/train.jsonl"
            configuration.computeType = .float32
            configuration.steps = 6
            configuration.adapter.rank = 4
            configuration.adapter.alpha = 8
            configuration.adapter.dropout = 0.1
            configuration.optimizer.learningRate = 0.05
            try body(configuration)
        }
    }

    private func answer(of model: LanguageModel) throws -> GeneratedText {
        var options = GenerationOptions()
        options.maximumTokens = 12
        return try model.reply(to: [ChatMessage(role: "user", content: "3 + 3")], options: options)
    }

    private func losses(in folder: String) throws -> [JSONValue] {
        let text = try String(contentsOfFile: "\(folder)/metrics.jsonl", encoding: .utf8)
        return try text.split(separator: "\n").compactMap {
            try JSONParser.parse(String($0), location: "metrics")["loss"]
        }
    }

    private func bytes(_ path: String) throws -> Data { try Data(contentsOf: URL(fileURLWithPath: path)) }
}
