// How long a user waits before the first step, and whether a steady step asks the system for memory.

internal import ArgumentParser
internal import Foundation
internal import Models
internal import TensorEngine

struct StartupBenchmark: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "startup",
        abstract: "From the train command to its first step, and memory requests in a steady step.",
        discussion: """
            Starts the sparselora tool beside this executable on the example data, several times, and measures from \
            the start of the process to the line that says the first step begins. Then runs training steps in this \
            process and counts how often they ask the system for memory after the second. With --check the exit code \
            is 1 when the median start takes 1.5 s or more, or a steady step asks for memory.
            """)

    @Option(help: "A Hugging Face model folder or a GGUF file.") var model: String
    @Option(help: "The training data.") var data = "Examples/word-problems"
    @Option(help: "Starts to measure.") var rounds = 5
    @Flag(help: "Fail when a bar is missed.") var check = false

    static let startBar = 1.5

    func validate() throws {
        guard rounds > 0 else { throw ValidationError("--rounds must be at least 1") }
    }

    func run() throws {
        print(Machine.current().line)
        // The first start reads the model from disk; the others find it in the page cache, as a user's second run does.
        var seconds: [Double] = []
        for round in 0...rounds {
            let taken = try secondsToFirstStep()
            print("\(round == 0 ? "warm-up" : "start \(round)"): \(fixed(taken, 3)) s to the first step")
            if round > 0 { seconds.append(taken) }
        }
        let requests = try requestsOfSteadySteps()
        let median = Measurement.median(seconds)
        let met = median < Self.startBar && requests == 0
        print(
            "check-startup: \(fixed(median, 3)) s to the first step (bar \(Self.startBar)), "
                + "\(requests) requests for memory in steady steps (bar 0): \(met ? "met" : "missed")")
        if check && !met { throw ExitCode.failure }
    }

    /// Runs the command line tool until it says that the first step begins.
    private func secondsToFirstStep() throws -> Double {
        let tool = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
            .appendingPathComponent("sparselora")
        let output = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        defer { try? FileManager.default.removeItem(at: output) }
        let process = Process()
        process.executableURL = tool
        process.arguments = [
            "train", "--model", model, "--data", data, "--output", output.path, "--iters", "1", "--json",
        ]
        let pipe = Pipe()
        process.standardOutput = pipe
        process.standardError = FileHandle.nullDevice
        var text = Data()
        let seconds = try Measurement.seconds {
            try process.run()
            while text.range(of: Data("\"event\":\"started\"".utf8)) == nil {
                let chunk = pipe.fileHandleForReading.availableData
                guard !chunk.isEmpty else {
                    process.waitUntilExit()
                    throw ValidationError(
                        "\(tool.path) ended with \(process.terminationStatus) before its first step")
                }
                text += chunk
            }
        }
        process.terminate()
        process.waitUntilExit()
        return seconds
    }

    /// Memory requests after the second of some equal training steps.
    private func requestsOfSteadySteps() throws -> Int {
        let work = try StepWork.parse([
            "--model", model, "--rank", "16", "--targets", "q_proj,v_proj", "--batch", "2", "--length", "128",
        ])
        let step = try TimedStep(work)
        let batch = try work.batches(vocabularySize: step.model.configuration.vocabularySize)[0]
        for _ in 0..<2 { _ = try step.run(batch) }
        let before = MemoryPool.shared.statistics.systemRequests
        for _ in 0..<3 { _ = try step.run(batch) }
        return MemoryPool.shared.statistics.systemRequests - before
    }
}
