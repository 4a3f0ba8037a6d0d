// What the terminal at the other end can show.

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif
internal import Foundation

/// Where people read: standard error. Results go to standard output, so a pipe gets results alone.
enum Terminal {
    /// Whether a person is watching, so that lines may be redrawn and coloured.
    static let isInteractive = isatty(STDERR_FILENO) == 1 && environment["TERM"] != "dumb"

    /// Colours are for people who did not ask for none (no-color.org).
    static let usesColor = isInteractive && (environment["NO_COLOR"] ?? "").isEmpty

    private static var environment: [String: String] { ProcessInfo.processInfo.environment }

    /// Columns of the terminal, 80 when unknown.
    static var width: Int {
        var size = winsize()
        guard ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 20 else { return 80 }
        return Int(size.ws_col)
    }

    /// A line for people.
    static func note(_ line: String) { write(line + "\n") }

    static func write(_ text: String) { FileHandle.standardError.write(Data(text.utf8)) }

    static func dim(_ text: String) -> String { usesColor ? "\u{1B}[2m\(text)\u{1B}[0m" : text }
    static func bold(_ text: String) -> String { usesColor ? "\u{1B}[1m\(text)\u{1B}[0m" : text }
    static func red(_ text: String) -> String { usesColor ? "\u{1B}[31m\(text)\u{1B}[0m" : text }
}

/// What programs read: standard output, one write per call so that lines of a pipe stay whole.
enum Output {
    static func line(_ text: String) { write(text + "\n") }
    static func write(_ text: String) { FileHandle.standardOutput.write(Data(text.utf8)) }
}
