// A run as tables: for a terminal, for a page, and beside an earlier run.

internal import Foundation

extension RunRecord {
    /// The run as text: figures by case, then the bars.
    var text: String {
        var lines = [machine.line, ""]
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
        lines += Self.markdown(barTable) + [""]
        for scenario in scenarios {
            lines += ["### \(scenario)", ""] + Self.markdown(table(of: scenario)) + [""]
        }
        return lines.joined(separator: "\n")
    }

    /// Figures that another run has too, with how much they changed; those that moved most first.
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
        return ([title] + (rows.count > 1 ? Self.aligned(rows) : [])).joined(separator: "\n")
    }

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
                    bar.value.map { "\(Self.number($0))\(bar.unit)" } ?? "not measured",
                    bar.isMet ? "met" : "MISSED", bar.note,
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
