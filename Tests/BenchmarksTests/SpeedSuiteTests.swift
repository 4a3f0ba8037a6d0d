// What the suite keeps of what its cases measured.

import FileSupport
import Testing

@testable import Benchmarks

@Suite struct SpeedSuiteTests {
    private static let setting = SpeedSetting(
        model: "model", gemma: nil, data: nil, python: nil, peer: "peer.py", form: .quick, epochBatches: nil,
        work: "work")

    /// A program that took steps of so many seconds.
    private func standing(_ name: String, _ seconds: [Double], isBound: Bool = false) -> Standing {
        var standing = Standing(name: name)
        standing.seconds = seconds
        standing.isBound = isBound
        return standing
    }

    @Test func whatAStoppedProgramLeavesOutIsNotMeasured() throws {
        let suite = SpeedSuite(setting: Self.setting)
        let stopped = standing("stopped", [], isBound: true)
        suite.note("step", stopped.name, "seconds", stopped.median, isBound: true)
        suite.note("step", stopped.name, "share of peak", stopped.shareOfPeak)
        suite.note("step", "ours", "seconds", 2)
        #expect(suite.record.figures.map(\.subject) == ["ours"])

        suite.bar("time", .atLeast, 2, stopped.median / 2, unit: "x", "against it")
        suite.bar("sum", .atMost, 2, stopped.total, unit: " s", "")
        suite.bar("memory", .atMost, 1.3, stopped.peakGigabytes, unit: " GB", "")
        suite.realisedBar("realised", 0.9, stopped, over: stopped)
        suite.bar("no peer", .atLeast, 2, nil, unit: "x", "none was given")
        #expect(suite.record.bars.allSatisfy { $0.value == nil && !$0.isMet })
        #expect(suite.record.bars.prefix(4).allSatisfy { $0.note == SpeedSuite.unfinished })
        #expect(suite.record.bars.last?.note == "none was given")
        #expect(try suite.record.jsonLines().contains("\"name\":\"memory\""))
    }

    @Test func realisedSharesAreOfWhatOperationsPredict() throws {
        let suite = SpeedSuite(setting: Self.setting)
        var sparse = standing("sparse", [2, 2, 2.5])
        sparse.ready = try JSONParser.parse("{\"gigaflop\":50,\"dense_gigaflop\":100}", location: "ready")
        suite.realisedBar(
            "realised", 0.9, sparse, over: standing("dense", [3.8, 3.8, 9]), note: "; six layers")
        #expect(suite.record.bars.map(\.value) == [0.95])
        #expect(suite.record.bars.map(\.note) == ["predicted 2.00x; six layers"])
    }

    @Test func peersThatWereAllStoppedAreNotPeersThatWereNotGiven() {
        let single = standing("PEFT f32", [9])
        let half = standing("PEFT bf16", [7])
        #expect(SpeedSuite.fastest([single, half]).peer?.name == "PEFT bf16")
        let stopped = standing("PEFT bf16", [7], isBound: true)
        #expect(SpeedSuite.fastest([single, stopped]).peer?.name == "PEFT f32")
        let none = SpeedSuite.fastest([stopped])
        #expect(none.peer?.name == nil)
        #expect(none.noneNote == "PEFT was stopped after its limit")
        #expect(SpeedSuite.fastest([]).noneNote == "no Python with PEFT was given")
    }
}
