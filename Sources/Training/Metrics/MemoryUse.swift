// How much memory the process has taken at most.

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif
internal import TensorEngine

/// Peak memory, in bytes.
public struct MemoryUse: Codable, Sendable, Equatable {
    /// The most that tensors took at one time.
    public var peakTensorBytes: Int
    /// The most that the process had resident at one time, mapped model files included.
    public var peakProcessBytes: Int

    /// The peaks until now.
    public static var current: MemoryUse {
        var usage = rusage()
        #if canImport(Glibc)
            getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        #else
            getrusage(RUSAGE_SELF, &usage)
        #endif
        #if canImport(Darwin)
            let unit = 1
        #else
            let unit = 1024
        #endif
        return MemoryUse(
            peakTensorBytes: MemoryPool.shared.statistics.peakLiveBytes,
            peakProcessBytes: Int(usage.ru_maxrss) * unit)
    }
}

enum TrainingArithmetic {
    static func exponential(_ x: Double) -> Double { exp(x) }
}
