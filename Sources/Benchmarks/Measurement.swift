// Timing that can be trusted on a shared machine: alternate, repeat, take medians.

internal import Foundation

enum Measurement {
    /// Seconds that `work` takes.
    static func seconds(_ work: () throws -> Void) rethrows -> Double {
        let clock = ContinuousClock()
        let start = clock.now
        try work()
        let elapsed = start.duration(to: clock.now)
        return Double(elapsed.components.seconds) + 1e-18 * Double(elapsed.components.attoseconds)
    }

    /// Seconds of processor time that this thread has used so far: what others run on the machine is not in it.
    static func threadSeconds() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Double(time.tv_sec) + 1e-9 * Double(time.tv_nsec)
    }

    static func median(_ values: [Double]) -> Double {
        guard !values.isEmpty else { return .nan }
        let sorted = values.sorted()
        let middle = sorted.count / 2
        return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
    }
}
