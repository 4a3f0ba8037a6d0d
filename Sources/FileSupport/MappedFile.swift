// A whole file as read-only memory, without reading it first.

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// A file mapped read-only into memory; the mapping lasts as long as the object.
///
/// The bytes are shared with the file: a process that truncates the file while it is mapped kills this one (SIGBUS).
/// Our own writers never do that, they replace files (`AtomicFile`).
// Sendable: the address and length never change, and the pages are only read.
package final class MappedFile: @unchecked Sendable {
    /// The path as given, for error messages.
    package let path: String
    /// The content; empty for an empty file. Valid only while this object lives: hold the object beside the pointer,
    /// or read through `withBytes`.
    package let bytes: UnsafeRawBufferPointer

    /// How the bytes will be read, so that the system can read ahead.
    package enum Access {
        /// Front to back, once.
        case sequential
        /// Soon: start reading now.
        case willNeed
        /// Not again soon: the pages may be dropped and read again later.
        case dontNeed
    }

    /// - Throws: `InputError` when the path does not name a readable regular file.
    package init(path: String) throws(InputError) {
        let descriptor = retryingOnInterrupt { open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) }
        guard descriptor >= 0 else {
            throw InputError(path, "cannot open the file: \(systemReason())")
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            throw InputError(path, "cannot inspect the file: \(systemReason())")
        }
        guard status.st_mode & S_IFMT == S_IFREG else {
            let found = status.st_mode & S_IFMT == S_IFDIR ? "a folder" : "a device or pipe"
            throw InputError(path, expected: "a file", found: found)
        }
        guard let length = Int(exactly: status.st_size), length > 0 else {
            self.path = path
            bytes = UnsafeRawBufferPointer(start: nil, count: 0)
            return
        }
        let mapping = mmap(nil, length, PROT_READ, MAP_PRIVATE, descriptor, 0)
        guard let address = mapping, address != MAP_FAILED else {
            throw InputError(path, "cannot map the file of \(length) bytes: \(systemReason())")
        }
        self.path = path
        bytes = UnsafeRawBufferPointer(start: address, count: length)
    }

    deinit {
        if let address = bytes.baseAddress {
            munmap(UnsafeMutableRawPointer(mutating: address), bytes.count)
        }
    }

    /// Gives the content to `body` and keeps the mapping alive meanwhile.
    package func withBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        defer { extendLifetime(self) }
        return try body(bytes)
    }

    /// Length in bytes.
    package var count: Int { bytes.count }

    /// Tells the system how a range of the file will be read; a hint that never fails.
    package func advise(_ access: Access, range: Range<Int>? = nil) {
        let range = range ?? 0..<count
        precondition((0...count).contains(range.upperBound), "MappedFile.advise: \(range) of \(count)")
        precondition(range.lowerBound >= 0, "MappedFile.advise: \(range) of \(count)")
        guard let address = bytes.baseAddress, !range.isEmpty else { return }
        let pageSize = Int(sysconf(Int32(_SC_PAGESIZE)))
        let start = range.lowerBound / pageSize * pageSize
        let advice =
            switch access {
            case .sequential: MADV_SEQUENTIAL
            case .willNeed: MADV_WILLNEED
            case .dontNeed: MADV_DONTNEED
            }
        madvise(UnsafeMutableRawPointer(mutating: address + start), range.upperBound - start, advice)
    }
}
