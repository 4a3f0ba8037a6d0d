// The chart: well-formed, within its frame, with round ticks.

import Foundation
import Testing

#if canImport(FoundationXML)
    import FoundationXML
#endif

@testable import Training

@Suite struct LossCurveTests {
    private func curve(_ count: Int) -> LossCurve {
        var curve = LossCurve()
        for step in 1...count {
            let wave = Double((step &* 7919) % 101) / 250
            curve.addStep(step, loss: 0.6 + 2.4 / (1 + Double(step) / 20) + wave)
            if step % max(1, count / 8) == 0 {
                curve.addValidation(step: step, loss: 0.85 + 2.2 / (1 + Double(step) / 22))
            }
        }
        return curve
    }

    /// Element names with attributes; nil when the text is not well-formed XML.
    private func elements(_ text: String) -> [(name: String, attributes: [String: String])]? {
        final class Collector: NSObject, XMLParserDelegate {
            var elements: [(name: String, attributes: [String: String])] = []
            func parser(
                _ parser: XMLParser, didStartElement name: String, namespaceURI: String?,
                qualifiedName: String?, attributes: [String: String]
            ) { elements.append((name, attributes)) }
        }
        let collector = Collector()
        let parser = XMLParser(data: Data(text.utf8))
        parser.delegate = collector
        return parser.parse() ? collector.elements : nil
    }

    @Test(arguments: [1, 2, 3, 40, 5_000])
    func `the chart is well-formed and stays in its frame`(count: Int) throws {
        let text = LossCurveSVG(curve(count), title: "Loss of <run> & \"co\"").text
        let found = try #require(elements(text))
        #expect(found.first?.name == "svg")
        #expect(found.first?.attributes["aria-label"] == "Loss of <run> & \"co\"")
        for element in found where element.name == "polyline" {
            for pair in (element.attributes["points"] ?? "").split(separator: " ") {
                let numbers = pair.split(separator: ",").compactMap { Double($0) }
                #expect(numbers.count == 2)
                #expect((72...876).contains(numbers[0]) && (64...444).contains(numbers[1]))
            }
        }
        #expect(text.utf8.count < 60_000, "long runs are thinned out")
    }

    @Test func `a run without a step still has a chart, and no number is drawn that is not one`() throws {
        #expect(elements(LossCurveSVG(LossCurve(), title: "nothing").text) != nil)
        var broken = LossCurve()
        broken.addStep(1, loss: .nan)
        broken.addStep(2, loss: .infinity)
        broken.addStep(3, loss: 1)
        let text = LossCurveSVG(broken, title: "broken").text
        #expect(!text.contains("nan") && !text.contains("inf"))
    }

    @Test func `ticks are round and span the range`() {
        #expect(
            AxisTicks(covering: 0...97, about: 9, smallestInterval: 1).values
                == (0...5).map { Double($0) * 20 })
        #expect(AxisTicks(covering: 0...3, about: 9, smallestInterval: 1).interval == 1)
        let losses = AxisTicks(covering: 0.43...2.9, about: 6)
        #expect(losses.interval == 0.5)
        #expect(losses.values.map(losses.label) == ["0.0", "0.5", "1.0", "1.5", "2.0", "2.5", "3.0"])
        let narrow = AxisTicks(covering: -0.021...0.034, about: 6)
        #expect(
            narrow.values.map(narrow.label) == [
                "-0.03", "-0.02", "-0.01", "0.00", "0.01", "0.02", "0.03", "0.04",
            ])
        let same = AxisTicks(covering: 2...2, about: 6)
        #expect(same.values.count >= 2)
        #expect(AxisTicks(covering: 0...20_000, about: 9, smallestInterval: 1).label(4_000) == "4k")
    }

    @Test func `thinning keeps spikes`() {
        var curve = LossCurve()
        for step in 1...10_000 { curve.addStep(step, loss: step == 5_432 ? 9 : 1) }
        let thinned = LossCurve.thinned(curve.training, bucketCount: 100)
        #expect(thinned.count == 200)
        #expect(thinned.contains { $0.step == 5_432 && $0.loss == 9 })
    }

    @Test func `the smoothed line is the mean at first and follows later`() {
        var curve = LossCurve()
        curve.addStep(1, loss: 4)
        curve.addStep(2, loss: 2)
        #expect(curve.smoothed[0].loss == 4)
        #expect((2..<4).contains(curve.smoothed[1].loss))
    }
}
