// Where the steps of a run spent their time: the profile as values, and as a table.

internal import Foundation
package import TensorEngine

/// Where a mean step spent its time, by phase and operation.
public struct StepProfile: Codable, Sendable, Equatable {
    /// One kind of operation in one phase.
    public struct Row: Codable, Sendable, Equatable {
        /// `forward`, `backward` or `update`.
        public var phase: String
        /// What ran; `between operations` for the rest of the phase.
        public var operation: String
        /// Calls in a step.
        public var calls: Double
        /// Seconds in a step.
        public var seconds: Double
        /// Share of the step's time, 0...1.
        public var share: Double
        /// Billions of floating-point operations in a step; 0 for operations whose cost is their traffic.
        public var gigaflops = 0.0
        /// Billions of bytes in a step, each operand counted once; 0 where operands do not tell.
        public var gigabytes = 0.0
        /// Billions of floating-point operations a second; nil for operations whose cost is their traffic.
        public var gigaflopsPerSecond: Double?
        /// Billions of bytes a second, each operand counted once; nil where operands do not tell.
        public var gigabytesPerSecond: Double?
    }

    /// Steps that were measured: all but the first, or that one where it is the only one.
    public var steps: Int
    /// Seconds of a step, validation and saving apart.
    public var secondsPerStep: Double
    /// Phases in their order, within each the slowest first. Their seconds add up to the step's.
    public var rows: [Row]
    /// The file of the trace.
    public var trace: String
    /// Steps in the trace.
    public var tracedSteps: Int

}

extension StepProfile {
    private static let restName = "between operations"

    /// - Parameter trace: the file of the profile's trace.
    package init(_ profile: OperationProfile, trace: String) {
        let count = Double(max(profile.stepCount, 1))
        let total = Double(profile.phases.values.reduce(0) { $0 + $1.nanoseconds })
        func row(
            _ phase: OperationProfile.Phase, _ name: String, _ totals: OperationProfile.Totals
        ) -> Row {
            // Operations per nanosecond are billions per second.
            func rate(_ amount: Double) -> Double? {
                amount > 0 && totals.nanoseconds > 0 ? amount / Double(totals.nanoseconds) : nil
            }
            return Row(
                phase: phase.rawValue, operation: name, calls: Double(totals.calls) / count,
                seconds: 1e-9 * Double(totals.nanoseconds) / count,
                share: total > 0 ? Double(totals.nanoseconds) / total : 0,
                gigaflops: 1e-9 * totals.flops / count, gigabytes: 1e-9 * totals.bytes / count,
                gigaflopsPerSecond: rate(totals.flops), gigabytesPerSecond: rate(totals.bytes))
        }
        rows = OperationProfile.Phase.allCases.flatMap { phase -> [Row] in
            guard var rest = profile.phases[phase] else { return [] }
            let kinds = profile.totals.filter { $0.key.phase == phase }
                .sorted {
                    ($1.value.nanoseconds, $0.key.name) < ($0.value.nanoseconds, $1.key.name)
                }
            rest.nanoseconds -= kinds.reduce(0) { $0 + $1.value.nanoseconds }
            rest.calls = 0
            return kinds.map { row(phase, $0.key.name, $0.value) } + [row(phase, Self.restName, rest)]
        }
        steps = profile.stepCount
        secondsPerStep = 1e-9 * total / count
        tracedSteps = profile.tracedStepCount
        self.trace = trace
    }

    /// The profile as lines of text. Operations that take less than a thousandth of the step are one line a phase.
    public var table: [String] {
        var lines = [
            "profile     \(Self.text(secondsPerStep, 3)) s a step, mean of \(steps) step\(steps == 1 ? "" : "s")",
            Self.line(["share", "seconds", "calls", "GFLOP", "GFLOP/s", "GB", "GB/s"], "operation"),
        ]
        for phase in OperationProfile.Phase.allCases.map(\.rawValue) {
            let rows = rows.filter { $0.phase == phase }
            guard !rows.isEmpty else { continue }
            func sum(_ rows: [Row], _ name: String) -> Row {
                Row(
                    phase: phase, operation: name, calls: rows.reduce(0) { $0 + $1.calls },
                    seconds: rows.reduce(0) { $0 + $1.seconds }, share: rows.reduce(0) { $0 + $1.share },
                    gigaflops: rows.reduce(0) { $0 + $1.gigaflops },
                    gigabytes: rows.reduce(0) { $0 + $1.gigabytes })
            }
            lines.append(Self.line(sum(rows, phase), indent: ""))
            lines += rows.filter { $0.share >= Self.smallShare }.map { Self.line($0) }
            let small = rows.filter { $0.share < Self.smallShare }
            if !small.isEmpty { lines.append(Self.line(sum(small, "\(small.count) smaller ones"))) }
        }
        return lines
    }

    private static let smallShare = 0.001

    private static func line(_ row: Row, indent: String = "  ") -> String {
        line(
            [
                text(100 * row.share, 1) + "%", text(row.seconds, 4), text(row.calls, 0),
                row.gigaflops > 0 ? text(row.gigaflops, 1) : "",
                row.gigaflopsPerSecond.map { text($0, 1) } ?? "",
                row.gigabytes > 0 ? text(row.gigabytes, 2) : "",
                row.gigabytesPerSecond.map { text($0, 1) } ?? "",
            ], indent + row.operation)
    }

    private static func line(_ cells: [String], _ name: String) -> String {
        zip(cells, [8, 9, 7, 8, 9, 8, 7]).map { String(repeating: " ", count: max(0, $1 - $0.count)) + $0 }
            .joined() + "  " + name
    }

    private static func text(_ value: Double, _ decimals: Int) -> String {
        String(format: "%.\(decimals)f", value)
    }
}
