// A flag that a signal handler may set while a run is in a step.

internal import Synchronization

/// Asks a run to stop after its current step. Setting it is safe in a signal handler.
public final class StopSignal: Sendable {
    private let flag = Atomic<Bool>(false)

    /// A signal that is not set.
    public init() {}

    /// Asks the run to finish its step, write a checkpoint and end.
    public func request() { flag.store(true, ordering: .relaxed) }

    /// Whether that was asked.
    public var isRequested: Bool { flag.load(ordering: .relaxed) }
}
