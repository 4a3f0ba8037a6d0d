// A run as tables: for a terminal, for a page, and beside an earlier run.

internal import Foundation

extension RunRecord {
    /// The run as text: figures by case, then the bars.
    var text: String {
        var lines = [machine.line] + caseLines + [""]
        for scenario in scenarios {
            lines.append(scenario)
            lines += Self.aligned(table(of: scenario)).map { "  \($0)" }
            lines.append("")
        }
        lines += Self.aligned(barTable)
        return lines.joined(separator: "\n")
    }

    /// The run as a section of a Markdown page.
    var markdown: String {
        var lines = [
            "## \(machine.processor), \(machine.instructionSet)", "",
            "\(machine.cores) cores, \(machine.threads) threads, revision \(machine.commit), \(machine.date), "
                + "\(form) form.", "",
        ]
        lines += caseLines.flatMap { [$0, ""] }
        lines += Self.markdown(barTable) + [""]
        for scenario in scenarios {
            lines += ["### \(scenario)", ""] + Self.markdown(table(of: scenario)) + [""]
        }
        return lines.joined(separator: "\n")
    }

    /// What every case took, and which cases of the run's form are not in it: a part must not pass for the whole.
    private var caseLines: [String] {
        guard !cases.isEmpty else { return [] }
        let each = cases.map { "\($0.name) \(fixed($0.seconds, 0)) s" }.joined(separator: ", ")
        let all = cases.reduce(0) { $0 + $1.seconds }
        let missing = missingCases.map(\.rawValue).joined(separator: ", ")
        return ["cases: \(each); in all \(Self.duration(all))"]
            + (missing.isEmpty ? [] : ["not run: \(missing)"])
    }

    /// Minutes and seconds, before them hours where there are any: 9:38, 2:05:09.
    private static func duration(_ seconds: Double) -> String {
        let whole = Int(seconds.rounded())
        func twoDigits(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }
        let (hours, minutes, rest) = (whole / 3600, whole / 60 % 60, whole % 60)
        return hours > 0
            ? "\(hours):\(twoDigits(minutes)):\(twoDigits(rest))" : "\(minutes):\(twoDigits(rest))"
    }

    /// Figures that another run has too, with how much they changed, those that moved most first; and bars that are met
    /// in one of the two alone.
    func comparison(with other: RunRecord) -> String {
        let old = Dictionary(other.figures.map { ($0.key, $0) }) { first, _ in first }
        let shared = figures.compactMap { figure in
            old[figure.key].map { (figure: figure, old: $0, ratio: figure.value / $0.value) }
        }.filter { $0.old.value > 0 && $0.figure.value > 0 }
        let moved = shared.sorted { abs(log($0.ratio)) > abs(log($1.ratio)) }
        var rows = [["case", "subject", "quantity", "then", "now", "now/then"]]
        for (figure, old, ratio) in moved where abs(ratio - 1) >= 0.02 {
            rows.append([
                figure.scenario, figure.subject, figure.quantity, Self.number(old.value),
                Self.number(figure.value), fixed(ratio, 3),
            ])
        }
        let title =
            "against commit \(other.machine.commit) of \(other.machine.date) on \(other.machine.processor), "
            + "\(other.machine.instructionSet): \(shared.count) figures in both, \(rows.count - 1) differ by 2% or more"
        var lines = [title]
        if form != other.form { lines.append("the forms differ: then \(other.form), now \(form)") }
        if rows.count > 1 { lines += Self.aligned(rows) }
        let changes = changedBars(since: other)
        if !changes.isEmpty {
            lines += ["", "bars met in one of the two alone:"]
            lines += Self.aligned([["bar", "then", "now"]] + changes)
        }
        return lines.joined(separator: "\n")
    }

    /// Name, earlier and present state of bars that were met then and are missed now, or the other way round.
    private func changedBars(since other: RunRecord) -> [[String]] {
        // Two cases may have a bar of one name: the first belongs to the first, the second to the second.
        func named(_ bars: [Bar]) -> [(key: String, bar: Bar)] {
            var counts: [String: Int] = [:]
            return bars.map { bar in
                counts[bar.name, default: 0] += 1
                return (key: "\(bar.name) | \(counts[bar.name, default: 0])", bar: bar)
            }
        }
        let old = Dictionary(named(other.bars).map { ($0.key, $0.bar) }) { first, _ in first }
        return named(bars).compactMap { key, bar in
            guard let before = old[key], before.isMet != bar.isMet else { return nil }
            return [bar.name, Self.state(before), Self.state(bar)]
        }
    }

    private static func value(_ bar: Bar) -> String {
        bar.value.map { "\(number($0))\(bar.unit)" } ?? "not measured"
    }

    private static func verdict(_ bar: Bar) -> String { bar.isMet ? "met" : "MISSED" }

    private static func state(_ bar: Bar) -> String { "\(value(bar)), \(verdict(bar))" }

    private var scenarios: [String] {
        figures.reduce(into: []) { if !$0.contains($1.scenario) { $0.append($1.scenario) } }
    }

    /// A row for every subject, a column for every quantity.
    private func table(of scenario: String) -> [[String]] {
        let figures = figures.filter { $0.scenario == scenario }
        func distinct(_ names: [String]) -> [String] {
            names.reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
        }
        let quantities = distinct(figures.map(\.quantity))
        return [[""] + quantities]
            + distinct(figures.map(\.subject)).map { subject in
                [subject]
                    + quantities.map { quantity in
                        guard let figure = figure(scenario, subject, quantity) else { return "" }
                        return (figure.isBound ? "≥ " : "") + Self.number(figure.value)
                    }
            }
    }

    private var barTable: [[String]] {
        [["bar", "goal", "value", "", "note"]]
            + bars.map { bar in
                [
                    bar.name, "\(bar.direction == .atLeast ? "≥" : "≤") \(Self.number(bar.goal))\(bar.unit)",
                    Self.value(bar), Self.verdict(bar), bar.note,
                ]
            }
    }

    private static func number(_ value: Double) -> String {
        switch abs(value) {
        case 100...: fixed(value, 0)
        case 10..<100: fixed(value, 1)
        case 1..<10: fixed(value, 2)
        default: fixed(value, 3)
        }
    }

    /// Columns as wide as they need: the first and the last flush left, the others flush right.
    private static func aligned(_ rows: [[String]]) -> [String] {
        let columns = rows.map(\.count).max() ?? 0
        let widths = (0..<columns).map { column in
            rows.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0
        }
        let isText = (0..<columns).map { column in
            column == 0
                || rows.dropFirst().contains { column < $0.count && $0[column].contains { $0.isLetter } }
        }
        return rows.map { row in
            let cells = row.enumerated().map { column, text in
                let space = String(repeating: " ", count: widths[column] - text.count)
                return isText[column] ? text + space : space + text
            }
            return String(cells.joined(separator: "  ").reversed().drop { $0 == " " }.reversed())
        }
    }

    private static func markdown(_ rows: [[String]]) -> [String] {
        guard let header = rows.first else { return [] }
        func line(_ cells: [String]) -> String { "| " + cells.joined(separator: " | ") + " |" }
        return [line(header), line(header.map { _ in "---" })] + rows.dropFirst().map(line)
    }
}
