// A file of JSON lines that grows during a run and can be cut back to where a checkpoint knew it.

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif
internal import FileSupport

/// JSON lines appended to a file; every line reaches the system before `append` returns.
final class AppendedFile {
    let path: String
    /// Bytes in the file.
    private(set) var count: Int
    private let descriptor: Int32

    /// Opens or creates the file and drops everything after the first `keptCount` bytes.
    ///
    /// - Throws: `InputError` when it cannot be opened, or holds less than should be kept.
    init(path: String, keptCount: Int) throws(InputError) {
        self.path = path
        descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else {
            throw InputError(path, "cannot open the file: \(String(cString: strerror(errno)))")
        }
        count = keptCount
        let length = Int(lseek(descriptor, 0, SEEK_END))
        guard length >= keptCount else {
            throw InputError(
                path, expected: "at least the \(keptCount) bytes that the checkpoint knows",
                found: "\(length)",
                advice: "The file was changed since; restore it, or start a new run.")
        }
        guard ftruncate(descriptor, off_t(keptCount)) == 0, lseek(descriptor, 0, SEEK_END) == keptCount else {
            throw InputError(path, "cannot cut the file back: \(String(cString: strerror(errno)))")
        }
    }

    deinit { close(descriptor) }

    func append(_ value: JSONValue) throws(InputError) {
        var line: [UInt8] = []
        value.appendLine(to: &line)
        var start = 0
        while start < line.count {
            let written = line[start...].withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            if written < 0, errno == EINTR { continue }
            guard written > 0 else {
                throw InputError(path, "cannot write the file: \(String(cString: strerror(errno)))")
            }
            start += written
        }
        count += line.count
    }
}
