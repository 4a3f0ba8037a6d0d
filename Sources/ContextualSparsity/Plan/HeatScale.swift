// Numbers to colours: white at 0, through orange to dark red at the largest rise, blue below 0.

struct HeatScale {
    struct Color: Equatable {
        let red, green, blue: Double

        var text: String {
            "#"
                + [red, green, blue].map { channel in
                    let digits = String(Int(channel.rounded()), radix: 16)
                    return digits.count == 1 ? "0" + digits : digits
                }.joined()
        }
        /// Whether white letters read better on it than dark ones.
        var isDark: Bool { 0.299 * red + 0.587 * green + 0.114 * blue < 140 }
    }

    /// Where colours end; positive.
    let largest: Double

    init(covering values: [Double]) {
        let magnitudes = values.filter(\.isFinite).map(abs)
        let largest = magnitudes.max() ?? 0
        self.largest = largest > 0 ? largest : 0.01
    }

    private static let rises = [
        Color(red: 250, green: 250, blue: 245), Color(red: 253, green: 212, blue: 158),
        Color(red: 239, green: 101, blue: 72), Color(red: 127, green: 0, blue: 0),
    ]
    private static let lowest = Color(red: 49, green: 110, blue: 190)

    func color(_ value: Double) -> Color {
        guard value.isFinite else { return Color(red: 60, green: 0, blue: 60) }
        // By the square root: most blocks rise little, one or two a lot, and the small ones are to be told apart.
        let place = min(1, abs(value) / largest).squareRoot()
        if value < 0 { return Self.between(Self.rises[0], Self.lowest, place) }
        let position = place * Double(Self.rises.count - 1)
        let index = min(Int(position), Self.rises.count - 2)
        return Self.between(Self.rises[index], Self.rises[index + 1], position - Double(index))
    }

    private static func between(_ first: Color, _ second: Color, _ share: Double) -> Color {
        func mix(_ a: Double, _ b: Double) -> Double { a + (b - a) * share }
        return Color(
            red: mix(first.red, second.red), green: mix(first.green, second.green),
            blue: mix(first.blue, second.blue))
    }

    /// Values at even distances of colour, from 0 to the largest.
    var legend: [Double] { [0, 0.25, 0.5, 0.75, 1].map { largest * $0 * $0 } }

    /// In percent with as many decimals as a cell has room for.
    static func percent(_ value: Double) -> String {
        guard value.isFinite else { return "inf" }
        let percent = value * 100
        if abs(percent) >= 1e5 { return percent < 0 ? "<-99999" : ">99999" }
        if abs(percent) >= 9.95 { return "\(Int(percent.rounded()))" }
        let scale = abs(percent) >= 0.995 ? 10.0 : 100.0
        let rounded = (percent * scale).rounded() / scale
        return rounded == 0 ? "0" : "\(rounded)"
    }
}
