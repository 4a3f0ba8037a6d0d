// How much memory this process may still take: what the system has, and what its control group allows.

internal import FileSupport

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

package enum MachineMemory {
    /// Bytes that can be allocated without swapping or being killed; nil where the system does not say.
    package static var availableBytes: Int? {
        [systemBytes, controlGroupBytes].compactMap(\.self).min()
    }

    private static var systemBytes: Int? {
        guard let text = contents("/proc/meminfo") else { return nil }
        for line in text.split(separator: "\n") where line.hasPrefix("MemAvailable:") {
            return line.split(separator: " ").dropFirst().first.flatMap { Int($0) }.map { $0 * 1024 }
        }
        return nil
    }

    /// Limit minus use, caches that the system gives back not counted as use.
    private static var controlGroupBytes: Int? {
        let root = "/sys/fs/cgroup"
        guard let limit = number("\(root)/memory.max"), let used = number("\(root)/memory.current") else {
            return nil
        }
        let reclaimable = contents("\(root)/memory.stat").map { text in
            text.split(separator: "\n").lazy.filter {
                $0.hasPrefix("inactive_file ") || $0.hasPrefix("active_file ")
            }
            .compactMap { $0.split(separator: " ").last.flatMap { Int($0) } }.reduce(0, +)
        }
        return max(0, limit - used + (reclaimable ?? 0))
    }

    /// nil also for "max", which means no limit.
    private static func number(_ path: String) -> Int? {
        contents(path).flatMap { Int($0.prefix { $0.isNumber }) }
    }

    /// Files of the kernel have no length to map.
    private static func contents(_ path: String) -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 1 << 14)
        let count = read(descriptor, &bytes, bytes.count)
        return count > 0 ? String(decoding: bytes[..<count], as: UTF8.self) : nil
    }
}
