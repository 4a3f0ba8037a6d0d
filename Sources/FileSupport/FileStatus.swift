// What stands at a path, for code that chooses between a file and a folder.

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// What a path names, symbolic links followed.
package enum FileStatus: Equatable, Sendable {
    case file
    case folder
    /// A device, pipe or socket.
    case other
    /// Nothing, or nothing that this user may see.
    case missing

    package init(path: String) {
        var status = stat()
        guard stat(path, &status) == 0 else {
            self = .missing
            return
        }
        switch status.st_mode & S_IFMT {
        case S_IFREG: self = .file
        case S_IFDIR: self = .folder
        default: self = .other
        }
    }
}
