// Scores as the reference reads them, to the bit.

import Testing

@testable import Tokenization

struct UnigramScoreTests {
    @Test(
        "A score is its digits over a power of ten",
        arguments: [
            (-6.265354633331299, -0x1.90fb92p+2), (-9.220709800720215, -0x1.27100e0000001p+3),
            (-11.234663009643555, -0x1.67825c0000001p+3), (0, 0), (-0.0, -0.0), (3, 3), (0.00001, 0.00001),
            (1.5e-7, 1.5e-7), (2e20, 2e20), (.leastNonzeroMagnitude, .leastNonzeroMagnitude),
        ])
    func digits(score: Double, read: Double) {
        #expect(score.asTokenizersReadIt.bitPattern == read.bitPattern)
    }
}
