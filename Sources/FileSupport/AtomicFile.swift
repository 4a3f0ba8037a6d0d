// Files that are either wholly written or not there: written beside the target, synced, then renamed over it.

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Writes files so that neither a crash, nor a full disk, nor a failed body leaves half a file under the final name.
package enum AtomicFile {
    /// Replaces the file at `path` by what `body` appends to the sink.
    ///
    /// A symbolic link at `path` is replaced, not followed.
    /// - Throws: `InputError` naming the path and the system's reason, or whatever `body` throws; the temporary file is
    ///   removed and what stood at `path` is untouched.
    package static func write(
        to path: String, _ body: (FileSink) throws(InputError) -> Void
    ) throws(InputError) {
        let sink = try FileSink(besides: path)
        do throws(InputError) {
            try body(sink)
            try sink.finish()
            guard rename(sink.temporaryPath, path) == 0 else {
                throw InputError(path, "cannot put the written file in place: \(systemReason())")
            }
        } catch {
            sink.discard()
            throw error
        }
        try syncFolder(of: path)
    }

    /// Replaces the file at `path` by these bytes.
    package static func write(to path: String, bytes: UnsafeRawBufferPointer) throws(InputError) {
        try write(to: path) { sink throws(InputError) in try sink.append(bytes) }
    }

    /// Replaces the file at `path` by these bytes.
    package static func write(to path: String, bytes: [UInt8]) throws(InputError) {
        try write(to: path) { sink throws(InputError) in try sink.append(bytes) }
    }

    /// Replaces the file at `path` by this text as UTF-8.
    package static func write(to path: String, text: String) throws(InputError) {
        try write(to: path, bytes: Array(text.utf8))
    }

    /// The rename itself lasts only once the folder is on disk.
    private static func syncFolder(of path: String) throws(InputError) {
        let descriptor = open(folder(of: path), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw InputError(path, "cannot open its folder: \(systemReason())") }
        defer { close(descriptor) }
        // EINVAL: the file system has nothing to sync for a folder.
        guard fsync(descriptor) == 0 || errno == EINVAL else {
            throw InputError(path, "cannot sync its folder: \(systemReason())")
        }
    }

    private static func folder(of path: String) -> String {
        guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }
}

/// Where an atomic file's bytes go; small appends are gathered, large ones go straight to the system.
package final class FileSink {
    /// Bytes appended so far.
    package private(set) var count = 0

    fileprivate let temporaryPath: String
    private let path: String
    private var descriptor: Int32
    private var pending: [UInt8] = []
    private static let pendingLimit = 1 << 18

    fileprivate init(besides path: String) throws(InputError) {
        self.path = path
        // Hidden, and unlike any name we read; exclusive creation refuses a name that another process holds.
        let slash = path.utf8.lastIndex(of: UInt8(ascii: "/"))
        let nameStart = slash.map { path.utf8.index(after: $0) } ?? path.startIndex
        let suffix = String(UInt64.random(in: 0...UInt64.max), radix: 36)
        temporaryPath = "\(path[..<nameStart]).\(path[nameStart...]).\(suffix).partial"
        let temporaryPath = temporaryPath
        descriptor = retryingOnInterrupt {
            open(temporaryPath, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
        }
        guard descriptor >= 0 else {
            throw InputError(path, "cannot create the file: \(systemReason())")
        }
        var status = stat()
        if stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG {
            // A replaced file keeps its permissions; where the system refuses, the usual ones stand.
            _ = fchmod(descriptor, status.st_mode & 0o777)
        }
        pending.reserveCapacity(Self.pendingLimit)
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    /// Appends bytes.
    package func append(_ bytes: UnsafeRawBufferPointer) throws(InputError) {
        count += bytes.count
        if pending.count + bytes.count > Self.pendingLimit { try flush() }
        if bytes.count >= Self.pendingLimit {
            try writeAll(bytes)
        } else {
            pending.append(contentsOf: bytes)
        }
    }

    /// Appends bytes.
    package func append(_ bytes: [UInt8]) throws(InputError) {
        try bytes.span.withUnsafeBytes { buffer throws(InputError) in try append(buffer) }
    }

    /// Appends zero bytes until `count` is a multiple of `alignment`.
    package func pad(toMultipleOf alignment: Int) throws(InputError) {
        let excess = count % alignment
        if excess > 0 { try append([UInt8](repeating: 0, count: alignment - excess)) }
    }

    private func flush() throws(InputError) {
        // Taken out while it is read, because writing needs access to all of self.
        var batch: [UInt8] = []
        swap(&batch, &pending)
        try batch.span.withUnsafeBytes { buffer throws(InputError) in try writeAll(buffer) }
        batch.removeAll(keepingCapacity: true)
        swap(&batch, &pending)
    }

    private func writeAll(_ bytes: UnsafeRawBufferPointer) throws(InputError) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let part = UnsafeRawBufferPointer(rebasing: rest)
            let written = retryingOnInterrupt { write(descriptor, part.baseAddress, part.count) }
            guard written > 0 else {
                throw InputError(path, "cannot write the file: \(systemReason())")
            }
            rest = rest.dropFirst(written)
        }
    }

    fileprivate func finish() throws(InputError) {
        try flush()
        guard retryingOnInterrupt({ fsync(descriptor) }) == 0 else {
            throw InputError(path, "cannot write the file to disk: \(systemReason())")
        }
        let result = close(descriptor)
        descriptor = -1
        guard result == 0 else { throw InputError(path, "cannot close the file: \(systemReason())") }
    }

    fileprivate func discard() {
        if descriptor >= 0 { close(descriptor) }
        descriptor = -1
        unlink(temporaryPath)
    }
}
