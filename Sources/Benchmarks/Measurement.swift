// Timing that can be trusted on a shared machine: alternate, repeat, take medians.

internal import CKernels
internal import Foundation
internal import TensorEngine

enum Measurement {
    /// Seconds that `work` takes.
    static func seconds(_ work: () throws -> Void) rethrows -> Double {
        let clock = ContinuousClock()
        let start = clock.now
        try work()
        return seconds(start.duration(to: clock.now))
    }

    static func seconds(_ duration: Duration) -> Double {
        Double(duration.components.seconds) + 1e-18 * Double(duration.components.attoseconds)
    }

    /// The arithmetic peak of products of this type, operations a second, measured for so many seconds.
    static func peak(_ type: ElementType, seconds: Double) -> Double {
        sl_measure_peak(type == .bfloat16 ? SL_BF16 : SL_F32, seconds)
    }

    /// Bytes per second that a copy of so many bytes reads and writes; 0 where there is no memory for it.
    static func copy(byteCount: Int) -> Double { sl_measure_copy(byteCount) }

    /// Seconds of processor time that this thread has used so far: what others run on the machine is not in it.
    static func threadSeconds() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Double(time.tv_sec) + 1e-9 * Double(time.tv_nsec)
    }

    /// Not a number where there are no values.
    static func median(_ values: [Double]) -> Double {
        guard !values.isEmpty else { return .nan }
        let sorted = values.sorted()
        let middle = sorted.count / 2
        return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
    }
}
