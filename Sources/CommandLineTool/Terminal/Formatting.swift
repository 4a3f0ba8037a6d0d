// Numbers as people read them.

internal import Foundation

enum Format {
    static func bytes(_ count: Int) -> String {
        switch count {
        case ..<1_000_000: "\(fixed(Double(count) / 1e3, 1)) kB"
        case ..<1_000_000_000: "\(fixed(Double(count) / 1e6, 1)) MB"
        default: "\(fixed(Double(count) / 1e9, 2)) GB"
        }
    }

    /// 134515008 -> "134.5 M"
    static func count(_ value: Int) -> String {
        switch value {
        case ..<10_000: "\(value)"
        case ..<1_000_000: "\(fixed(Double(value) / 1e3, 1)) k"
        case ..<1_000_000_000: "\(fixed(Double(value) / 1e6, 1)) M"
        default: "\(fixed(Double(value) / 1e9, 2)) B"
        }
    }

    /// 75 -> "1:15", 3700 -> "1:01:40"
    static func duration(_ seconds: Double) -> String {
        guard seconds.isFinite, seconds >= 0, seconds < 1e9 else { return "?" }
        let whole = Int(seconds.rounded())
        let (hours, minutes, rest) = (whole / 3600, whole / 60 % 60, whole % 60)
        let two = { (value: Int) in value < 10 ? "0\(value)" : "\(value)" }
        return hours > 0 ? "\(hours):\(two(minutes)):\(two(rest))" : "\(minutes):\(two(rest))"
    }

    static func percent(_ share: Double) -> String { fixed(100 * share, 1) + "%" }

    static func fixed(_ value: Double, _ decimals: Int) -> String { String(format: "%.\(decimals)f", value) }

    /// Learning rates and small losses: three significant digits.
    static func short(_ value: Double) -> String { String(format: "%.3g", value) }
}
