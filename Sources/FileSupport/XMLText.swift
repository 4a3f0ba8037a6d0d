// Text for SVG files.

package enum XMLText {
    /// The text as XML shows it, without the control characters that XML cannot hold.
    package static func escaped(_ text: String) -> String {
        String(
            text.unicodeScalars.filter { $0.value >= 0x20 && $0.value != 0xFFFE && $0.value != 0xFFFF }
                .map { scalar in
                    switch scalar {
                    case "&": "&amp;"
                    case "<": "&lt;"
                    case ">": "&gt;"
                    case "\"": "&quot;"
                    default: String(scalar)
                    }
                }.joined())
    }
}
