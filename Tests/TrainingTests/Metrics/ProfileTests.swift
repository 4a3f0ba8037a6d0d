// Profiles of a run: sums, traces that viewers open, and that watching changes nothing.

import FileSupport
@testable import TensorEngine
import Testing

@testable import Training

@Suite struct ProfileTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    /// What a run of a tiny model gave.
    private struct Run {
        var profile: StepProfile?
        var losses: [Double] = []
        var adapter: [[Float]] = []
        var folder = ""
    }

    private func run(_ name: String, file: String? = nil, steps: Int = 5, tracedSteps: Int = 2) throws -> Run
    {
        var configuration = TrainingConfiguration()
        configuration.outputFolder = "\(folder.path)/\(name)"
        configuration.steps = steps
        configuration.batchSize = 2
        configuration.gradientAccumulation = 2
        configuration.profile.file = file
        configuration.profile.tracedSteps = tracedSteps
        let profiler =
            file.map { _ in
                ProfilingBackend(CPUBackend(), profile: OperationProfile(tracedSteps: tracedSteps))
            }
        let backend: any Backend = profiler ?? CPUBackend()
        let model = TinyModel(dropout: 0.2, backend: backend)
        var result = Run(folder: configuration.outputFolder)
        let trainer = try Trainer(
            configuration, model: model, training: tinyExamples(8), validation: tinyExamples(3, seed: 77),
            start: .new, backend: backend, profile: profiler?.profile
        ) { event in
            if case .step(let metrics) = event { result.losses.append(metrics.loss) }
            if case .profiled(let profile) = event { result.profile = profile }
        }
        _ = try trainer.run()
        result.adapter = model.values
        return result
    }

    @Test func `times of all rows add up to the step's, in every phase`() throws {
        let profile = try #require(try run("run", file: "auto").profile)
        #expect(profile.steps == 4, "all but the first")
        let seconds = profile.rows.reduce(0) { $0 + $1.seconds }
        #expect(abs(seconds - profile.secondsPerStep) < 1e-9)
        #expect(abs(profile.rows.reduce(0) { $0 + $1.share } - 1) < 1e-9)
        #expect(profile.rows.allSatisfy { $0.seconds >= 0 })
        for phase in ["forward", "backward", "update"] {
            #expect(profile.rows.count { $0.phase == phase && $0.operation == "between operations" } == 1)
        }
        // Two passes of a step, each with one block of logits and the end, and two parameters.
        #expect(profile.rows.first { $0.operation == "cross-entropy" }?.calls == 4)
        #expect(profile.rows.first { $0.operation == "AdamW" }?.phase == "update")
        #expect(profile.rows.first { $0.operation == "AdamW" }?.calls == 2)
        let gradients = try #require(profile.rows.first { $0.operation == "weight gradients" })
        #expect(gradients.phase == "backward")
        let rate = try #require(gradients.gigaflopsPerSecond)
        #expect(gradients.gigaflops > 0 && abs(gradients.gigaflops / gradients.seconds / rate - 1) < 1e-6)
    }

    @Test func `table shows each phase with the sum of its rows`() throws {
        let profile = try #require(try run("run", file: "auto").profile)
        let lines = profile.table
        for phase in ["forward", "backward", "update"] {
            let line = try #require(lines.first { $0.hasSuffix("  \(phase)") })
            let share = try #require(
                line.split(separator: "%").first.flatMap { Double($0.filter { $0 != " " }) })
            let sum = 100 * profile.rows.filter { $0.phase == phase }.reduce(0) { $0 + $1.share }
            #expect(abs(share - sum) <= 0.051)
        }
    }

    @Test func `a run of one step is profiled all the same`() throws {
        let profile = try #require(try run("run", file: "auto", steps: 1).profile)
        #expect(profile.steps == 1)
        #expect(profile.tracedSteps == 1)
    }

    @Test func `losses and adapter are the same to the bit with and without a profile`() throws {
        let plain = try run("plain")
        let profiled = try run("profiled", file: "auto")
        #expect(plain.profile == nil)
        #expect(FileStatus(path: "\(plain.folder)/profile.json") == .missing)
        #expect(plain.losses.map(\.bitPattern) == profiled.losses.map(\.bitPattern))
        #expect(plain.adapter == profiled.adapter)
    }

    @Test func `trace lies in the run's folder, or where the configuration says`() throws {
        let automatic = try run("automatic", file: "auto")
        #expect(automatic.profile?.trace == "\(automatic.folder)/profile.json")
        #expect(FileStatus(path: "\(automatic.folder)/profile.json") == .file)
        let elsewhere = try run("elsewhere", file: "\(folder.path)/trace.json")
        #expect(elsewhere.profile?.trace == "\(folder.path)/trace.json")
        #expect(FileStatus(path: "\(folder.path)/trace.json") == .file)
        #expect(FileStatus(path: "\(elsewhere.folder)/profile.json") == .missing)
    }

    /// A complete event; times in nanoseconds.
    private struct Span {
        let name: String
        let level: String
        let start: Int
        let end: Int
    }

    private func spans(_ path: String) throws -> [Span] {
        let document = try JSONParser.parse(fileAt: path)
        let events = try #require(document["traceEvents"]?.arrayValue)
        return try events.filter { $0["ph"] == .string("X") }.map { event in
            let start = try #require(event["ts"]?.doubleValue)
            let duration = try #require(event["dur"]?.doubleValue)
            #expect(event["pid"]?.integerValue != nil && event["tid"]?.integerValue != nil)
            return Span(
                name: try #require(event["name"]?.stringValue),
                level: try #require(event["cat"]?.stringValue), start: Int((1000 * start).rounded()),
                end: Int((1000 * start).rounded()) + Int((1000 * duration).rounded()))
        }
    }

    @Test func `spans of a trace nest and never overlap`() throws {
        let run = try run("run", file: "auto", tracedSteps: 3)
        let spans = try spans("\(run.folder)/profile.json")
        #expect(spans.map(\.name).filter { $0.hasPrefix("step ") } == ["step 2", "step 3", "step 4"])
        var open: [Span] = []
        for span in spans {
            while let last = open.last, last.end <= span.start { open.removeLast() }
            if let last = open.last {
                #expect(span.start >= last.start && span.end <= last.end, "\(span) in \(last)")
            }
            let depth = ["step": 0, "phase": 1, "operation": 2][span.level]
            #expect(open.count == depth, "\(span) within \(open)")
            open.append(span)
        }
        #expect(spans.filter { $0.name == "backward" }.count == 6, "two passes of three steps")
        #expect(spans.contains { $0.level == "operation" && $0.name == "cross-entropy" })
    }

    @Test func `a trace holds no more steps and calls than it may`() throws {
        let profile = OperationProfile(tracedSteps: 2, eventLimit: 7)
        for number in 0..<4 {
            profile.beginStep("step \(number)")
            for _ in 0..<4 { profile.measure(OperationProfile.Work(name: "call")) {} }
            profile.begin(.update)
            profile.endStep()
        }
        #expect(profile.stepCount == 4)
        #expect(profile.tracedStepCount == 2)
        #expect(profile.totals.values.reduce(0) { $0 + $1.calls } == 16)
        #expect(profile.events.count { $0.level == .operation } + profile.omittedEventCount == 8)
        #expect(profile.omittedEventCount > 0)
        let document = ProfileTrace(profile, processor: "test").document
        #expect(document["otherData"]?["calls_left_out"] == .integer(profile.omittedEventCount))
    }

    @Test func `operations outside steps are not counted`() {
        let profiler = ProfilingBackend(CPUBackend())
        let tensor = profiler.makeTensor(rowCount: 2, width: 3, type: .float32)
        profiler.fill(tensor, with: 1)
        #expect(profiler.profile.totals.isEmpty)
        profiler.profile.beginStep("step")
        profiler.fill(tensor, with: 1)
        profiler.profile.endStep()
        profiler.fill(tensor, with: 1)
        #expect(profiler.profile.totals.values.reduce(0) { $0 + $1.calls } == 1)
        #expect(profiler.profile.totals.values.reduce(0) { $0 + $1.bytes } == 24)
    }

    @Test func `products are called by the deepest named weight that they read`() {
        let profiler = ProfilingBackend(CPUBackend())
        let weight = profiler.upload([Float](repeating: 1, count: 12), rowCount: 3, width: 4, type: .float32)
        let a = profiler.upload([Float](repeating: 1, count: 4), rowCount: 1, width: 4, type: .float32)
        let b = profiler.upload([Float](repeating: 1, count: 3), rowCount: 3, width: 1, type: .float32)
        let x = profiler.upload([Float](repeating: 1, count: 8), rowCount: 2, width: 4, type: .float32)
        profiler.name(weight, "down")
        profiler.name(a, "adapters")
        profiler.name(b, "adapters")
        profiler.profile.beginStep("step")
        let low = profiler.makeTensor(rowCount: 2, width: 1, type: .float32)
        profiler.multiply([MatrixProduct(MatrixOperand(x), MatrixOperand(a))], into: MatrixOutput(low))
        let y = profiler.makeTensor(rowCount: 2, width: 3, type: .float32)
        profiler.multiply(
            [
                MatrixProduct(MatrixOperand(low), MatrixOperand(b)),
                MatrixProduct(MatrixOperand(x), MatrixOperand(weight)),
            ], into: MatrixOutput(y))
        // Views of named memory have its name, memory without a name has none.
        profiler.multiply(
            [MatrixProduct(MatrixOperand(x), MatrixOperand(weight.rows(1..<2)))], into: MatrixOutput(low))
        profiler.multiply(
            [MatrixProduct(MatrixOperand(y), MatrixOperand(y))],
            into: MatrixOutput(
                profiler.makeTensor(rowCount: 2, width: 2, type: .float32)))
        profiler.profile.endStep()
        let calls = profiler.profile.totals.mapValues(\.calls)
        #expect(calls[.init(phase: .forward, name: "adapters")] == 1)
        #expect(calls[.init(phase: .forward, name: "down")] == 2)
        #expect(calls[.init(phase: .forward, name: "product, narrow")] == 1)
        let down = profiler.profile.totals[.init(phase: .forward, name: "down")]
        // Of the pair and of the view too: each 2 x rows x columns x depth.
        #expect(down?.flops == 76)
    }
}
