// The picture of sensitivities.

import Testing

@testable import ContextualSparsity

@Suite struct SparsityHeatMapTests {
    @Test func `every block has a cell with its number and its share`() {
        let map = SparsityHeatMap(
            title: "a <b>", attention: [0.001, -0.002, nil], feedForward: [0.5, 0.25, 0.04],
            plan: SparsityPlan(feedForward: [2: 0.75]))
        let text = SparsityHeatMapSVG(map).text
        for part in [">0.1<", ">-0.2<", ">-<", ">50<", ">25<", ">4.0<", ">-75%<", "a &lt;b&gt;"] {
            #expect(text.contains(part), "\(part)")
        }
        #expect(text.components(of: "rx=\"3\"") == 6 + 1 + 1)
    }

    @Test func `colours run from white to dark red and blue`() {
        let scale = HeatScale(covering: [0.2, -0.1, .infinity])
        #expect(scale.color(0).text == "#fafaf5")
        #expect(scale.color(0.2).text == "#7f0000" && scale.color(7).text == "#7f0000")
        #expect(scale.color(-0.2).text == "#316ebe")
        #expect(scale.color(0.2).isDark && !scale.color(0).isDark)
    }
}

extension String {
    fileprivate func components(of part: String) -> Int {
        split(separator: part, omittingEmptySubsequences: false).count - 1
    }
}
