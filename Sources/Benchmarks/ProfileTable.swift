// A profile as a table.

internal import TensorEngine

/// Operations by the time they took.
struct ProfileTable {
    private let entries: [(name: String, entry: ProfilingBackend.Entry)]
    private let seconds: Double

    /// - Parameter seconds: of everything, to tell what no operation accounts for.
    init(_ profiler: ProfilingBackend, seconds: Double) {
        entries = profiler.entries.map { ($0.key, $0.value) }.sorted { $0.entry.seconds > $1.entry.seconds }
        self.seconds = seconds
    }

    func text(title: String) -> String {
        var lines = ["\(title): \(fixed(seconds, 3)) s", "  share    seconds   calls  GFLOP/s  operation"]
        func line(_ seconds: Double, _ calls: Int, _ flops: Double, _ name: String) {
            lines.append(
                right("\(fixed(100 * seconds / self.seconds, 1))%", 7) + right(fixed(seconds, 3), 11)
                    + right("\(calls)", 8) + right(flops > 0 ? fixed(flops / seconds / 1e9, 0) : "", 9)
                    + "  \(name)")
        }
        for (name, entry) in entries { line(entry.seconds, entry.calls, entry.flops, name) }
        line(seconds - entries.reduce(0) { $0 + $1.entry.seconds }, 0, 0, "between operations")
        return lines.joined(separator: "\n")
    }

    private func right(_ text: String, _ width: Int) -> String {
        String(repeating: " ", count: max(0, width - text.count)) + text
    }
}
