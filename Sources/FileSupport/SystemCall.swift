// What the last failed system call said, as an InputError.

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// The operating system's reason for the call that just failed, e.g. "No space left on device".
func systemReason(_ code: Int32 = errno) -> String { String(cString: strerror(code)) }

/// Repeats a call for as long as a signal interrupts it; negative results other than that are the caller's to handle.
func retryingOnInterrupt<Result: SignedInteger>(_ call: () -> Result) -> Result {
    while true {
        let result = call()
        if result >= 0 || errno != EINTR { return result }
    }
}
