// Learning rates against the formulas of transformers/optimization.py, written out with literal values.

import Testing

@testable import Training

@Suite struct LearningRateScheduleTests {
    private func rates(_ kind: LearningRateSchedule.Kind, warmup: Int, total: Int, minimum: Double = 0)
        -> [Double]
    {
        let schedule = LearningRateSchedule(
            kind: kind, base: 10, warmupSteps: warmup, totalSteps: total, minimumRatio: minimum)
        return (0..<total).map { schedule.rate(completedSteps: $0) }
    }

    private func expectClose(_ found: [Double], _ expected: [Double]) {
        #expect(found.count == expected.count)
        for (found, expected) in zip(found, expected) { #expect(abs(found - expected) < 1e-12 * 10) }
    }

    // The values stand in transformers' own tests of its schedules (tests/optimization/test_optimization.py).
    @Test func `constant with warm-up`() {
        expectClose(
            rates(.constant, warmup: 4, total: 10), [0, 2.5, 5, 7.5, 10, 10, 10, 10, 10, 10])
    }

    @Test func `linear with warm-up`() {
        expectClose(
            rates(.linear, warmup: 2, total: 10), [0, 5, 10, 8.75, 7.5, 6.25, 5, 3.75, 2.5, 1.25])
    }

    @Test func `cosine with warm-up`() {
        let cosine = (0..<8).map { 5 * (1 + cosineOfEighths[$0]) }
        expectClose(rates(.cosine, warmup: 2, total: 10), [0, 5] + cosine)
    }

    /// cos(k pi / 8) in closed form.
    private let cosineOfEighths = [
        1, (2 + 2.0.squareRoot()).squareRoot() / 2, 0.5.squareRoot(), (2 - 2.0.squareRoot()).squareRoot() / 2,
        0,
        -(2 - 2.0.squareRoot()).squareRoot() / 2, -(0.5.squareRoot()),
        -(2 + 2.0.squareRoot()).squareRoot() / 2,
    ]

    @Test func `a minimum ratio lifts the end and keeps the start`() {
        let linear = LearningRateSchedule(
            kind: .linear, base: 1, warmupSteps: 0, totalSteps: 10, minimumRatio: 0.1)
        #expect(linear.rate(completedSteps: 0) == 1)
        #expect(abs(linear.rate(completedSteps: 5) - 0.55) < 1e-12)
        #expect(abs(linear.rate(completedSteps: 10) - 0.1) < 1e-12)
        let cosine = LearningRateSchedule(
            kind: .cosine, base: 1, warmupSteps: 0, totalSteps: 10, minimumRatio: 0.1)
        #expect(abs(cosine.rate(completedSteps: 5) - 0.55) < 1e-12)
        #expect(abs(cosine.rate(completedSteps: 10) - 0.1) < 1e-12)
    }

    @Test func `a warm-up ratio is rounded up to whole steps and steps overrule it`() {
        var configuration = TrainingConfiguration()
        configuration.schedule.warmupRatio = 0.03
        #expect(LearningRateSchedule(configuration, totalSteps: 101).warmupSteps == 4)
        #expect(LearningRateSchedule(configuration, totalSteps: 100).warmupSteps == 3)
        configuration.schedule.warmupSteps = 7
        #expect(LearningRateSchedule(configuration, totalSteps: 100).warmupSteps == 7)
    }

    @Test func `one step without warm-up has the base rate`() {
        #expect(rates(.linear, warmup: 0, total: 1) == [10])
    }
}
