// A program beside this one that takes a step whenever it is asked to: so programs alternate step by step.

internal import FileSupport
internal import Foundation

/// A process that answers every line it is sent with a JSON line of numbers. Its first line says that it is ready.
final class Worker {
    let name: String
    /// What its first line said.
    private(set) var ready: JSONValue = .null
    /// The most memory that it had resident, as the system saw it.
    private(set) var peakBytes = 0
    private(set) var isRunning = false
    private let process = Process()
    private let input = Pipe()
    private let output = Pipe()
    private let errors: String
    private var received: [UInt8] = []

    /// Writing to a program that has died is an error to report, not a signal that ends this program without a word.
    private static let ignoresBrokenPipes: Void = { _ = signal(SIGPIPE, SIG_IGN) }()

    /// Starts the program.
    init(_ name: String, command: [String], workFolder: String) throws {
        _ = Self.ignoresBrokenPipes
        self.name = name
        errors = "\(workFolder)/\(name.filter { $0.isLetter || $0.isNumber }).log"
        try AtomicFile.write(to: errors, text: "")
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = command
        process.standardInput = input
        process.standardOutput = output
        process.standardError = FileHandle(forWritingAtPath: errors)
        try process.run()
        isRunning = true
    }

    deinit { end() }

    /// Waits until the program is ready.
    ///
    /// - Returns: whether it was within so many seconds; else it has been ended.
    func becomesReady(within limit: Double) throws -> Bool {
        guard let line = try nextLine(within: limit) else { return false }
        ready = line
        return true
    }

    /// Asks for a step. Nil where it took longer than so many seconds: the program has then been ended.
    func step(within limit: Double) throws -> JSONValue? {
        // Where this fails the program has died: reading its answer says how.
        try? input.fileHandleForWriting.write(contentsOf: Data("step\n".utf8))
        return try nextLine(within: limit)
    }

    /// Lets the program end.
    func finish() {
        guard isRunning else { return }
        observeMemory()
        try? input.fileHandleForWriting.close()
        process.waitUntilExit()
        isRunning = false
    }

    /// Ends the program at once.
    private func end() {
        guard isRunning else { return }
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
        isRunning = false
    }

    /// The next line of numbers; other lines are the program's own business.
    private func nextLine(within limit: Double) throws -> JSONValue? {
        let clock = ContinuousClock()
        let deadline = clock.now + .seconds(limit)
        let descriptor = output.fileHandleForReading.fileDescriptor
        while true {
            if let newline = received.firstIndex(of: UInt8(ascii: "\n")) {
                let line = Array(received[..<newline])
                received.removeSubrange(...newline)
                guard line.first == UInt8(ascii: "{") else { continue }
                observeMemory()
                return try JSONParser.parse(line, location: name)
            }
            guard clock.now < deadline else {
                end()
                return nil
            }
            var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            let count = poll(&waiting, 1, 200)
            observeMemory()
            guard count > 0 else { continue }
            let chunk = output.fileHandleForReading.availableData
            guard !chunk.isEmpty else {
                process.waitUntilExit()
                isRunning = false
                throw InputError(
                    name, "the program ended with status \(process.terminationStatus): \(lastError)",
                    advice: "It was: \((process.arguments ?? []).joined(separator: " "))")
            }
            received += chunk
        }
    }

    private var lastError: String {
        let text = (try? String(contentsOfFile: errors, encoding: .utf8)) ?? ""
        return text.split(separator: "\n").suffix(3).joined(separator: " / ")
    }

    private func observeMemory() {
        let path = "/proc/\(process.processIdentifier)/status"
        guard let text = try? String(contentsOfFile: path, encoding: .utf8) else { return }
        for line in text.split(separator: "\n") where line.hasPrefix("VmHWM:") {
            guard
                let kilobytes = line.split(whereSeparator: { " \t".contains($0) }).dropFirst().first.flatMap({
                    Int($0)
                })
            else { continue }
            peakBytes = max(peakBytes, 1024 * kilobytes)
        }
    }
}
