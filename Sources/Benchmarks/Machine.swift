// What the system says about the machine and this process.

internal import Foundation
internal import TensorEngine

/// What every report starts with: numbers mean nothing without it.
struct Machine: Codable, Equatable {
    var processor: String
    var cores: Int
    var threads: Int
    var instructionSet: String
    /// The revision of the sources, with `+` where files that decide figures differ from it; empty outside a repository.
    var commit: String
    /// Of the measurement, as 2026-11-21.
    var date: String

    static func current() -> Machine {
        let formatter = DateFormatter()
        formatter.dateFormat = "yyyy-MM-dd"
        return Machine(
            processor: processorName(), cores: ProcessInfo.processInfo.activeProcessorCount,
            threads: CPUBackend.threadCount, instructionSet: InstructionSet.current.rawValue,
            commit: revision(), date: formatter.string(from: Date()))
    }

    var line: String {
        "machine: \(processor), \(cores) cores; \(instructionSet), \(threads) threads; commit \(commit); \(date)"
    }

    /// Whether figures of both can stand in one run: the same processor, used alike, and no source that differs.
    func measuresAlike(_ other: Machine) -> Bool {
        var dated = other
        (dated.commit, dated.date) = (commit, date)
        guard self == dated, ![commit, other.commit].contains(where: { $0.isEmpty || $0.hasSuffix("+") })
        else {
            return false
        }
        return commit == other.commit
            || Self.output(of: ["git", "diff", "--quiet", commit, other.commit, "--"] + Self.measuredPaths)
                != nil
    }

    /// What decides figures: this program's sources, what they are built with, and the peer's program.
    private static let measuredPaths = ["Sources", "Package.swift", "Package.resolved", "tools/peers"]

    /// Whether this processor says that it multiplies bf16 pairs in one instruction, which PyTorch's fast path needs.
    static var hasBF16Products: Bool { InstructionSet.avx512BF16.isAnnounced }

    private static func processorName() -> String {
        guard let text = try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8) else {
            return "unknown"
        }
        for line in text.split(separator: "\n") where line.hasPrefix("model name") {
            if let colon = line.firstIndex(of: ":") {
                return line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
            }
        }
        return "unknown"
    }

    private static func revision() -> String {
        guard let commit = output(of: ["git", "rev-parse", "--short", "HEAD"]), !commit.isEmpty else {
            return ""
        }
        let changes = output(
            of: ["git", "status", "--porcelain", "--untracked-files=no", "--"] + measuredPaths)
        return commit + (changes?.isEmpty == false ? "+" : "")
    }

    private static func output(of command: [String]) -> String? {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = command
        let pipe = Pipe()
        process.standardOutput = pipe
        process.standardError = FileHandle.nullDevice
        guard (try? process.run()) != nil else { return nil }
        let data = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { return nil }
        return String(decoding: data, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
    }
}

/// `value` with a fixed number of decimals.
func fixed(_ value: Double, _ decimals: Int) -> String { String(format: "%.\(decimals)f", value) }

func padded(_ text: String, _ width: Int) -> String {
    text.count >= width ? text : String(repeating: " ", count: width - text.count) + text
}
