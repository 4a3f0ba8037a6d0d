// The heat map as an SVG file: no libraries, legible on light and dark pages, every cell with its number.

import FileSupport

/// Draws a `SparsityHeatMap`.
package struct SparsityHeatMapSVG {
    private static let cellWidth = 34.0
    private static let cellHeight = 36.0
    private static let left = 112.0
    private static let right = 24.0
    private static let top = 96.0
    /// From the top of one band of layers to the next: axis labels, two rows of cells, a gap.
    private static let bandHeight = 2 * cellHeight + 40
    /// More layers go into a further band, or numbers would be too small to read.
    private static let layersInBand = 32

    private let map: SparsityHeatMap
    private let scale: HeatScale

    package init(_ map: SparsityHeatMap) {
        self.map = map
        scale = HeatScale(covering: (map.attention + map.feedForward).compactMap { $0 })
    }

    private var layerCount: Int { map.attention.count }
    private var width: Double {
        Self.left + Self.right + Double(max(16, min(layerCount, Self.layersInBand))) * Self.cellWidth
    }

    /// The document.
    package var text: String {
        let bands = max(1, (layerCount + Self.layersInBand - 1) / Self.layersInBand)
        let size = "\(Self.text(width)) \(Self.text(Self.top + Double(bands) * Self.bandHeight + 12))"
        let title = XMLText.escaped(map.title)
        var lines = [
            #"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \#(size)" role="img" aria-label="\#(title)">"#,
            Self.style,
            #"<rect class="page" width="100%" height="100%"/>"#,
            #"<text class="title" x="24" y="30">\#(title)</text>"#,
        ]
        lines += legend
        for band in 0..<bands {
            let first = band * Self.layersInBand
            lines += self.band(
                first..<min(first + Self.layersInBand, layerCount),
                top: Self.top + Double(band) * Self.bandHeight)
        }
        return lines.joined(separator: "\n") + "\n</svg>\n"
    }

    private static let style = """
        <style>
        svg { --page: #ffffff; --ink: #1f2933; --soft: #5f6b7a; --empty: #eef0f3; }
        @media (prefers-color-scheme: dark) {
        svg { --page: #14181f; --ink: #e6eaf0; --soft: #9aa5b4; --empty: #2b323d; }
        }
        text { font-family: system-ui, sans-serif; font-size: 12px; fill: #5f6b7a; fill: var(--soft); }
        .title { font-size: 17px; font-weight: 600; fill: #1f2933; fill: var(--ink); }
        .row { font-size: 13px; fill: #1f2933; fill: var(--ink); }
        .page { fill: #ffffff; fill: var(--page); }
        .empty { fill: #eef0f3; fill: var(--empty); }
        .chosen { fill: none; stroke: #1f2933; stroke: var(--ink); stroke-width: 1.6; }
        .dark { fill: #1f2933; } .light { fill: #ffffff; }
        .share { font-size: 9px; }
        </style>
        """

    private func band(_ layers: Range<Int>, top: Double) -> [String] {
        var lines: [String] = []
        for layer in layers {
            let x = Self.left + (Double(layer - layers.lowerBound) + 0.5) * Self.cellWidth
            lines.append(
                #"<text x="\#(Self.text(x))" y="\#(Self.text(top - 7))" text-anchor="middle">\#(layer)</text>"#
            )
        }
        let rows = [
            ("attention", map.attention, map.plan?.attention),
            ("feed-forward", map.feedForward, map.plan?.feedForward),
        ]
        for (index, row) in rows.enumerated() {
            let y = top + Double(index) * Self.cellHeight
            lines.append(
                #"<text class="row" x="\#(Self.text(Self.left - 10))" y="\#(Self.text(y + Self.cellHeight / 2))" "#
                    + #"text-anchor="end" dy="0.35em">\#(row.0)</text>"#)
            for layer in layers {
                let x = Self.left + Double(layer - layers.lowerBound) * Self.cellWidth
                lines += cell(x, y, rise: row.1[layer], share: row.2?[layer] ?? 0)
            }
        }
        return lines
    }

    private func cell(_ x: Double, _ y: Double, rise: Double?, share: Double) -> [String] {
        let box =
            #"x="\#(Self.text(x + 1))" y="\#(Self.text(y + 1))" width="\#(Self.text(Self.cellWidth - 2))" "#
            + #"height="\#(Self.text(Self.cellHeight - 2))" rx="3""#
        let middle = Self.text(x + Self.cellWidth / 2)
        let color = rise.map(scale.color)
        let ink = color.map { $0.isDark ? "light" : "dark" } ?? "row"
        var lines = [
            color.map { #"<rect \#(box) fill="\#($0.text)"/>"# } ?? #"<rect class="empty" \#(box)/>"#
        ]
        let hasShare = share > 0
        lines.append(
            #"<text class="\#(ink)" x="\#(middle)" y="\#(Self.text(y + (hasShare ? 17 : 22)))" "#
                + #"text-anchor="middle">\#(rise.map(HeatScale.percent) ?? "-")</text>"#)
        if hasShare {
            lines.append(#"<rect class="chosen" \#(box)/>"#)
            lines.append(
                #"<text class="\#(ink) share" x="\#(middle)" y="\#(Self.text(y + 29))" text-anchor="middle">"#
                    + "-\(Int((share * 100).rounded()))%</text>")
        }
        return lines
    }

    private var legend: [String] {
        var lines = [
            #"<text x="24" y="56">rise of the loss in %, one block sparse at a time</text>"#
        ]
        let stops = scale.legend
        let start = 330.0
        for (index, rise) in stops.enumerated() {
            let x = start + Double(index) * 44
            let color = scale.color(rise)
            lines.append(
                #"<rect x="\#(Self.text(x))" y="43" width="44" height="18" fill="\#(color.text)"/>"#)
            lines.append(
                #"<text class="\#(color.isDark ? "light" : "dark")" x="\#(Self.text(x + 22))" y="56" "#
                    + #"text-anchor="middle">\#(HeatScale.percent(rise))</text>"#)
        }
        if map.plan != nil {
            let x = start + Double(stops.count) * 44 + 18
            lines.append(#"<rect class="chosen" x="\#(Self.text(x))" y="44" width="22" height="16" rx="3"/>"#)
            lines.append(
                #"<text x="\#(Self.text(x + 29))" y="56">planned sparse, share left out</text>"#)
        }
        return lines
    }

    /// One decimal: a tenth of a pixel is finer than any screen.
    private static func text(_ value: Double) -> String { "\((value * 10).rounded() / 10)" }
}
