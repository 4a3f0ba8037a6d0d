// The machine's ceilings.

import Testing

@testable import Benchmarks

@Suite struct MeasurementTests {
    @Test func copyWithoutMemoryForItHasNoRate() {
        #expect(Measurement.copy(byteCount: .max) == 0)
        #expect(Measurement.copy(byteCount: .max / 2) == 0)
        // Not a whole number of pages.
        #expect(Measurement.copy(byteCount: (4 << 20) + 1) > 0)
    }

    @Test func medianOfNothingIsNotANumber() {
        #expect(Measurement.median([]).isNaN)
        #expect(Measurement.median([3, 1, 2]) == 2)
        #expect(Measurement.median([4, 1, 2, 3]) == 2.5)
    }
}
