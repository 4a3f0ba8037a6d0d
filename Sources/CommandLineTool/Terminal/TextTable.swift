// Rows of text in columns.

/// Columns as wide as they need; the first column is flush left, the others flush right unless a row says otherwise.
struct TextTable {
    private var rows: [(cells: [String], isFlushLeft: Bool)] = []

    mutating func add(_ cells: [String]) { rows.append((cells, false)) }
    mutating func addFlushLeft(_ cells: String...) { rows.append((cells, true)) }

    func rendered(indent: Int = 2) -> String {
        let columns = rows.map(\.cells.count).max() ?? 0
        let widths = (0..<columns).map { column in
            rows.map { column < $0.cells.count ? $0.cells[column].count : 0 }.max() ?? 0
        }
        return rows.map { row in
            let cells = row.cells.enumerated().map { column, text in
                let space = String(repeating: " ", count: widths[column] - text.count)
                return column == 0 || row.isFlushLeft ? text + space : space + text
            }
            let line = String(repeating: " ", count: indent) + cells.joined(separator: "  ")
            return String(line.reversed().drop { $0 == " " }.reversed())
        }.joined(separator: "\n")
    }
}
