// One line that shows how far a long job is: redrawn for a person, written now and then to a log.

/// Draws `[#####-----] 50%  text`, at most ten times a second on a terminal and every ten seconds elsewhere.
struct ProgressLine {
    private let clock = ContinuousClock()
    private var lastDrawn: ContinuousClock.Instant?
    private var isOpen = false

    private static let barWidth = 24

    /// - Parameter fraction: done so far, 0...1.
    mutating func update(_ fraction: Double, _ text: String) {
        let now = clock.now
        let pause: Duration = Terminal.isInteractive ? .milliseconds(100) : .seconds(10)
        if let lastDrawn, fraction < 1, lastDrawn.duration(to: now) < pause { return }
        lastDrawn = now
        guard Terminal.isInteractive else {
            Terminal.note("\(Self.percent(fraction))%  \(text)")
            return
        }
        Terminal.write("\r\u{1B}[2K" + Self.drawn(fraction, text, width: Terminal.width))
        isOpen = true
    }

    /// The line for a terminal of so many columns: it must not wrap, because a line that wraps cannot be redrawn.
    static func drawn(_ fraction: Double, _ text: String, width: Int) -> String {
        let filled = Int(Double(barWidth) * min(max(fraction, 0), 1))
        let bar =
            String(repeating: "━", count: filled)
            + Terminal.dim(String(repeating: "─", count: barWidth - filled))
        // Beside the bar: " 100%  ", and the last column, which makes some terminals wrap.
        let room = max(0, width - barWidth - 8)
        return "\(bar) \(percent(fraction))%  \(text.prefix(room))"
    }

    private static func percent(_ fraction: Double) -> Int {
        Int((100 * min(max(fraction, 0), 1)).rounded(.down))
    }

    /// Clears the line so that something else can be written; the next update draws it again.
    mutating func clear() {
        guard isOpen else { return }
        Terminal.write("\r\u{1B}[2K")
        isOpen = false
        lastDrawn = nil
    }

    /// Leaves the line as it stands.
    mutating func finish() {
        guard isOpen else { return }
        Terminal.write("\n")
        isOpen = false
    }
}
