// Fractions and step numbers of a sparsity schedule.

import ContextualSparsity
import Testing

@Suite struct ScheduleStepTests {
    @Test func `up to one is a fraction of the steps and above one a step`() {
        #expect(ScheduleStep(0).step(of: 200) == 0)
        #expect(ScheduleStep(0.05).step(of: 200) == 10)
        #expect(ScheduleStep(1).step(of: 200) == 200)
        #expect(ScheduleStep(12).step(of: 200) == 12)
        #expect(ScheduleStep(1e300).step(of: 200) == .max)
    }

    @Test func `a fraction between two steps starts at the later`() {
        #expect(ScheduleStep(0.05).step(of: 30) == 2)
    }
}
