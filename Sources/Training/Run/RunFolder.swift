// The folder of one run: what is in it, who may write to it, and folders that are either whole or not there.

package import FileSupport
internal import Foundation

/// How a run begins.
public enum RunStart: String, Sendable, CaseIterable {
    /// From nothing, into a folder that holds no other run.
    case new
    /// From nothing; what another run left in the folder is removed.
    case overwrite
    /// From the newest checkpoint in the folder.
    case resume
}

/// Paths of a run's folder.
package struct RunFolder: Sendable {
    package let path: String

    package init(_ path: String) { self.path = path }

    package var configuration: String { "\(path)/configuration.json" }
    package var metrics: String { "\(path)/metrics.jsonl" }
    package var lossCurve: String { "\(path)/loss.svg" }
    package var summary: String { "\(path)/summary.json" }
    /// The trace of profiled steps, in runs that have one here.
    package var profile: String { "\(path)/profile.json" }
    package var adapter: String { "\(path)/adapter" }
    package var best: String { "\(path)/best" }
    /// The plan that sparse steps follow, in runs that have one.
    package var sparsityPlan: String { "\(path)/\(Self.sparsityPlanName)" }
    static let sparsityPlanName = "sparsity.yaml"
    package var checkpoints: String { "\(path)/checkpoints" }

    /// Everything that a run writes here; `overwrite` removes these and nothing else.
    private var contents: [String] {
        [configuration, metrics, lossCurve, summary, profile, adapter, best, sparsityPlan, checkpoints]
    }

    /// Makes the folder ready for a run.
    ///
    /// - Throws: `InputError` when the folder holds another run and `start` is `new`, or cannot be made.
    package func prepare(_ start: RunStart) throws(InputError) {
        switch FileStatus(path: path) {
        case .folder: break
        case .missing: try Self.create(path)
        default: throw InputError(path, expected: "a folder for the run", found: "a file")
        }
        if start == .new, let other = contents.first(where: { FileStatus(path: $0) != .missing }) {
            throw InputError(
                path, "the folder already holds a run (\(other.split(separator: "/").last ?? ""))",
                advice: "Choose another output folder, or resume or overwrite that run.")
        }
        if start == .overwrite { for path in contents { try Self.remove(path) } }
        try removeLeftovers(in: path)
        if FileStatus(path: checkpoints) == .folder { try removeLeftovers(in: checkpoints) }
    }

    /// Checkpoints in the folder, oldest first.
    package var checkpointSteps: [Int] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: checkpoints)) ?? []
        return names.compactMap { name in
            name.hasPrefix("step-") ? Int(name.dropFirst(5)) : nil
        }.sorted()
    }

    package func checkpoint(step: Int) -> String {
        let digits = String(step)
        return "\(checkpoints)/step-\(String(repeating: "0", count: max(0, 6 - digits.count)))\(digits)"
    }

    /// Removes all but the newest checkpoints.
    package func keepNewestCheckpoints(_ count: Int) throws(InputError) {
        for step in checkpointSteps.dropLast(count) { try Self.remove(checkpoint(step: step)) }
    }

    /// Folders that a killed run was writing. One that was killed between the two renames of `replace` gets its old
    /// folder back.
    private func removeLeftovers(in folder: String) throws(InputError) {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        for name in names where name.hasPrefix(".") && name.hasSuffix(Self.oldSuffix) {
            let original = "\(folder)/\(name.dropFirst().dropLast(Self.oldSuffix.count))"
            if FileStatus(path: original) == .missing { try Self.move("\(folder)/\(name)", to: original) }
        }
        for name in names where name.hasPrefix(".") && name.hasSuffix(Self.partialSuffix) {
            try Self.remove("\(folder)/\(name)")
        }
    }

    private static let partialSuffix = ".partial"
    private static let oldSuffix = ".old.partial"

    /// Replaces the folder at `path` by what `body` writes into the folder it is given.
    ///
    /// A crash leaves either the old folder or the new one, apart from the instant between two renames, and at worst a
    /// hidden `.partial` folder that the next start removes.
    package static func replace(
        _ path: String, _ body: (_ temporary: String) throws(InputError) -> Void
    ) throws(InputError) {
        let location = URL(fileURLWithPath: path)
        let parent = location.deletingLastPathComponent().path
        let name = location.lastPathComponent
        let temporary = "\(parent)/.\(name)\(partialSuffix)"
        let old = "\(parent)/.\(name)\(oldSuffix)"
        try remove(temporary)
        try remove(old)
        try create(temporary)
        do throws(InputError) {
            try body(temporary)
        } catch {
            try? remove(temporary)
            throw error
        }
        if FileStatus(path: path) != .missing { try move(path, to: old) }
        try move(temporary, to: path)
        try remove(old)
    }

    package static func create(_ path: String) throws(InputError) {
        try attempt(path, "cannot make the folder") {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        }
    }

    /// Removes a file or folder if it is there.
    package static func remove(_ path: String) throws(InputError) {
        guard FileStatus(path: path) != .missing else { return }
        try attempt(path, "cannot remove it") { try FileManager.default.removeItem(atPath: path) }
    }

    private static func move(_ path: String, to target: String) throws(InputError) {
        try attempt(target, "cannot put the folder in place") {
            try FileManager.default.moveItem(atPath: path, toPath: target)
        }
    }

    private static func attempt(
        _ path: String, _ problem: String, _ body: () throws -> Void
    ) throws(InputError) {
        do {
            try body()
        } catch {
            throw InputError(path, "\(problem): \(error.localizedDescription)")
        }
    }
}
