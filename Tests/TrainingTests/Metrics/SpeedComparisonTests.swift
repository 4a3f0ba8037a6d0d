// What a run says of the speed of its sparse steps.

import Testing

@testable import Training

@Suite struct SpeedComparisonTests {
    private let dense = StepSparsity(
        isSparse: false, contextShare: 0, flops: 100, denseFlops: 100, plainFlops: 110)
    private let sparse = StepSparsity(
        isSparse: true, contextShare: 0.8, flops: 50, denseFlops: 100, plainFlops: 110)

    @Test func aPauseChangesNothing() throws {
        var speeds = SpeedComparison()
        for seconds in [4.0, 4, 400, 4, 4] { speeds.add(dense, seconds: seconds) }
        for seconds in [2.5, 2.5, 2.5, 9000] { speeds.add(sparse, seconds: seconds) }
        let summary = try #require(speeds.summary)
        #expect(summary.realisedSpeedUp == 1.6)
        #expect(summary.expectedSpeedUp == 2)
        #expect(summary.flopShare == 50.0 / 110)
    }

    @Test func stepsOfOtherSizesAreComparedByTheirDenseOperations() throws {
        var speeds = SpeedComparison()
        for size in [1.0, 2, 3] {
            speeds.add(
                StepSparsity(
                    isSparse: false, contextShare: 0, flops: size, denseFlops: size, plainFlops: size),
                seconds: size)
            speeds.add(
                StepSparsity(
                    isSparse: true, contextShare: 1, flops: size, denseFlops: 2 * size, plainFlops: 2 * size),
                seconds: size)
        }
        #expect(try #require(speeds.summary).realisedSpeedUp == 2)
    }

    @Test func tooFewStepsSayNothing() throws {
        var speeds = SpeedComparison()
        for _ in 0..<3 { speeds.add(dense, seconds: 4) }
        #expect(speeds.summary == nil)
        for _ in 0..<2 { speeds.add(sparse, seconds: 2) }
        #expect(try #require(speeds.summary).realisedSpeedUp == nil)
    }
}
