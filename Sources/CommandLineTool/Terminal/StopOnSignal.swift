// Ctrl-C and termination as a request to stop after the current step.

internal import SparseLoRA
internal import Synchronization

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

enum StopOnSignal {
    /// The process has one: a signal handler can carry nothing with it.
    static let stop = StopSignal()
    private static let count = Atomic<Int>(0)

    /// The first SIGINT or SIGTERM requests a stop, the second ends the process at once.
    static func install() -> StopSignal {
        // Made before a handler could need it: making it there would not be safe.
        let stop = Self.stop
        let handler: @convention(c) (Int32) -> Void = { number in
            if StopOnSignal.count.add(1, ordering: .relaxed).newValue > 1 { _exit(128 + number) }
            StopOnSignal.stop.request()
        }
        signal(SIGINT, handler)
        signal(SIGTERM, handler)
        return stop
    }
}
