// What ran in some training steps, by phase and kind of operation, and the first of these steps call by call.

/// Adds up time, arithmetic and traffic of operations, and keeps the calls of a few steps for a trace.
///
/// Counts only between `beginStep` and `endStep`; phases cover that time without a gap.
package final class OperationProfile {
    /// The parts of a step, in their order.
    package enum Phase: String, CaseIterable, Sendable {
        case forward, backward, update
    }

    /// What one call does, as far as its operands tell.
    package struct Work {
        package var name: String
        /// A multiplication with its addition is two.
        package var flops = 0.0
        /// What must be read and written at least.
        package var bytes = 0.0
        /// The shape of a product, rows x columns x depth; empty for others.
        package var shape = ""
    }

    package struct Kind: Hashable {
        package let phase: Phase
        package let name: String
    }

    package struct Totals {
        package var calls = 0
        package var nanoseconds = 0
        package var flops = 0.0
        package var bytes = 0.0
    }

    /// A span of time in a trace; `start` counts from when the profile was made.
    package struct Event {
        package enum Level: String { case step, phase, operation }
        package let level: Level
        package let name: String
        package let start: Int
        package let nanoseconds: Int
        package var flops = 0.0
        package var bytes = 0.0
        package var shape = ""
    }

    package private(set) var totals: [Kind: Totals] = [:]
    package private(set) var phases: [Phase: Totals] = [:]
    package private(set) var stepCount = 0
    /// In the order of their ends.
    package private(set) var events: [Event] = []
    package private(set) var tracedStepCount = 0
    /// Calls of traced steps that were one too many for the trace.
    package private(set) var omittedEventCount = 0

    private let tracedStepLimit: Int
    private let eventLimit: Int
    private let clock = ContinuousClock()
    private let origin: ContinuousClock.Instant
    private var stepStart = 0
    private var stepName = ""
    private var current: (phase: Phase, start: Int)?

    /// - Parameters:
    ///   - tracedSteps: how many steps keep their calls.
    ///   - eventLimit: how many calls are kept at most, whatever a step has; 100,000 make a trace of about 15 MB.
    package init(tracedSteps: Int = 0, eventLimit: Int = 100_000) {
        tracedStepLimit = tracedSteps
        self.eventLimit = eventLimit
        origin = clock.now
    }

    /// Whether a step is under way.
    package var isRunning: Bool { current != nil }

    /// Begins a step, in its forward phase.
    package func beginStep(_ name: String) {
        stepName = name
        stepStart = now
        current = (.forward, stepStart)
    }

    /// Ends the phase that a step is in and begins another. A step may come back to a phase. Outside steps it does
    /// nothing.
    package func begin(_ phase: Phase) {
        guard let current, current.phase != phase else { return }
        let end = now
        close(current, at: end)
        self.current = (phase, end)
    }

    package func endStep() {
        guard let current else { return }
        let end = now
        close(current, at: end)
        self.current = nil
        stepCount += 1
        guard isTracing else { return }
        events.append(Event(level: .step, name: stepName, start: stepStart, nanoseconds: end - stepStart))
        tracedStepCount += 1
    }

    /// Forgets everything: the first step fills caches and pools, so it says little about the others.
    package func reset() {
        (totals, phases, events) = ([:], [:], [])
        (stepCount, tracedStepCount, omittedEventCount) = (0, 0, 0)
    }

    /// Runs one operation and counts it, within a step.
    func measure<Result>(_ work: @autoclosure () -> Work, _ body: () -> Result) -> Result {
        guard let phase = current?.phase else { return body() }
        // Described before the clock starts.
        let work = work()
        let start = now
        let result = body()
        let nanoseconds = now - start
        totals[Kind(phase: phase, name: work.name), default: Totals()].add(nanoseconds, work)
        if isTracing {
            if events.count < eventLimit {
                events.append(
                    Event(
                        level: .operation, name: work.name, start: start, nanoseconds: nanoseconds,
                        flops: work.flops, bytes: work.bytes, shape: work.shape))
            } else {
                omittedEventCount += 1
            }
        }
        return result
    }

    private var isTracing: Bool { tracedStepCount < tracedStepLimit }

    private func close(_ span: (phase: Phase, start: Int), at end: Int) {
        phases[span.phase, default: Totals()].add(end - span.start, Work(name: span.phase.rawValue))
        guard isTracing else { return }
        events.append(
            Event(
                level: .phase, name: span.phase.rawValue, start: span.start, nanoseconds: end - span.start))
    }

    private var now: Int {
        let elapsed = origin.duration(to: clock.now).components
        return Int(elapsed.seconds) * 1_000_000_000 + Int(elapsed.attoseconds / 1_000_000_000)
    }
}

extension OperationProfile.Totals {
    fileprivate mutating func add(_ nanoseconds: Int, _ work: OperationProfile.Work) {
        calls += 1
        self.nanoseconds += nanoseconds
        flops += work.flops
        bytes += work.bytes
    }
}
