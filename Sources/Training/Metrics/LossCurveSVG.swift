// The loss curve as an SVG file: no libraries, legible on light and dark pages.

import FileSupport

/// Draws a `LossCurve`.
package struct LossCurveSVG {
    private static let width = 900.0
    private static let height = 500.0
    private static let left = 72.0
    private static let right = 24.0
    private static let top = 64.0
    private static let bottom = 56.0

    private let curve: LossCurve
    private let title: String
    private let xTicks: AxisTicks
    private let yTicks: AxisTicks

    package init(_ curve: LossCurve, title: String) {
        self.curve = curve
        self.title = title
        let points = (curve.training + curve.validation).filter(\.loss.isFinite)
        let losses = points.map(\.loss)
        let lastStep = max(points.map(\.step).max() ?? 1, 1)
        xTicks = AxisTicks(covering: 0...lastStep, about: 9, smallestInterval: 1)
        yTicks = AxisTicks(covering: (losses.min() ?? 0)...(losses.max() ?? 1), about: 6)
        self.lastStep = lastStep
    }
    private let lastStep: Double

    /// The document.
    package var text: String {
        var lines = [
            #"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 900 500" role="img" aria-label=""#
                + XMLText.escaped(title) + #"">"#,
            Self.style,
            #"<rect class="page" width="900" height="500"/>"#,
            #"<text class="title" x="\#(Self.text(Self.left))" y="30">\#(XMLText.escaped(title))</text>"#,
        ]
        lines += grid
        lines += [
            line(LossCurve.thinned(curve.training, bucketCount: 600), style: "raw"),
            line(LossCurve.thinned(curve.smoothed, bucketCount: 600), style: "smooth"),
            line(curve.validation, style: "validation"),
        ]
        lines += curve.validation.filter(\.loss.isFinite).map {
            #"<circle class="dot" cx="\#(x($0.step))" cy="\#(y($0.loss))" r="3.5"/>"#
        }
        lines += legend
        return lines.filter { !$0.isEmpty }.joined(separator: "\n") + "\n</svg>\n"
    }

    private static let style = """
        <style>
        svg { --page: #ffffff; --ink: #1f2933; --soft: #5f6b7a; --grid: #e4e7eb; --train: #2563eb; --valid: #d9480f; }
        @media (prefers-color-scheme: dark) {
        svg { --page: #14181f; --ink: #e6eaf0; --soft: #9aa5b4; --grid: #2b323d; --train: #6ea8fe; --valid: #ff9f5a; }
        }
        text { font-family: system-ui, sans-serif; font-size: 13px; fill: #5f6b7a; fill: var(--soft); }
        .title { font-size: 17px; font-weight: 600; fill: #1f2933; fill: var(--ink); }
        .page { fill: #ffffff; fill: var(--page); }
        .grid { stroke: #e4e7eb; stroke: var(--grid); stroke-width: 1; }
        .axis { stroke: #5f6b7a; stroke: var(--soft); stroke-width: 1.2; }
        polyline, .key { fill: none; stroke-linejoin: round; }
        .raw { stroke: #2563eb; stroke: var(--train); stroke-width: 1; stroke-opacity: 0.45; }
        .smooth { stroke: #2563eb; stroke: var(--train); stroke-width: 2.2; }
        .validation { stroke: #d9480f; stroke: var(--valid); stroke-width: 2.2; }
        .dot { fill: #d9480f; fill: var(--valid); }
        </style>
        """

    private var grid: [String] {
        var lines: [String] = []
        let (plotRight, plotBottom) = (Self.text(Self.width - Self.right), Self.height - Self.bottom)
        for value in yTicks.values {
            let y = y(value)
            lines.append(
                #"<line class="grid" x1="\#(Self.text(Self.left))" x2="\#(plotRight)" y1="\#(y)" y2="\#(y)"/>"#
            )
            lines.append(
                #"<text x="\#(Self.text(Self.left - 10))" y="\#(y)" text-anchor="end" dy="0.35em">"#
                    + "\(yTicks.label(value))</text>")
        }
        for value in xTicks.values where value <= lastStep {
            lines.append(
                #"<text x="\#(x(value))" y="\#(Self.text(plotBottom + 22))" text-anchor="middle">"#
                    + "\(xTicks.label(value))</text>")
        }
        let y = Self.text(plotBottom)
        lines.append(
            #"<line class="axis" x1="\#(Self.text(Self.left))" x2="\#(plotRight)" y1="\#(y)" y2="\#(y)"/>"#)
        let middle = Self.text((Self.left + Self.width - Self.right) / 2)
        lines.append(
            #"<text x="\#(middle)" y="\#(Self.text(Self.height - 12))" text-anchor="middle">step</text>"#)
        lines.append(
            #"<text transform="translate(20 \#(Self.text((Self.top + plotBottom) / 2))) rotate(-90)" "#
                + #"text-anchor="middle">loss (nats per labelled token)</text>"#)
        return lines
    }

    private var legend: [String] {
        var entries = [("raw", "each step"), ("smooth", "smoothed")]
        if !curve.validation.isEmpty { entries.append(("validation", "validation")) }
        return entries.enumerated().flatMap { index, entry in
            let start = Self.width - Self.right - Double(entries.count - index) * 116
            return [
                #"<line class="key \#(entry.0)" x1="\#(Self.text(start))" x2="\#(Self.text(start + 24))" y1="48" y2="48"/>"#,
                #"<text x="\#(Self.text(start + 31))" y="48" dy="0.35em">\#(entry.1)</text>"#,
            ]
        }
    }

    private func line(_ points: [LossCurve.Point], style: String) -> String {
        let finite = points.filter(\.loss.isFinite)
        guard finite.count > 1 else { return "" }
        let text = finite.map { "\(x($0.step)),\(y($0.loss))" }.joined(separator: " ")
        return #"<polyline class="\#(style)" points="\#(text)"/>"#
    }

    private func x(_ step: Double) -> String {
        Self.text(Self.left + step / lastStep * (Self.width - Self.left - Self.right))
    }

    private func y(_ loss: Double) -> String {
        guard let lowest = yTicks.values.first, let highest = yTicks.values.last else { return "0" }
        let share = (loss - lowest) / (highest - lowest)
        return Self.text(Self.height - Self.bottom - share * (Self.height - Self.top - Self.bottom))
    }

    /// One decimal: a tenth of a pixel is finer than any screen.
    private static func text(_ value: Double) -> String { "\((value * 10).rounded() / 10)" }
}
