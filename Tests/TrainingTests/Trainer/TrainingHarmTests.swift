// The exchange rate between an inexact forward pass and missing gradients.

import Testing

@testable import Training

@Suite struct TrainingHarmTests {
    @Test func `a rise and its divergence belong together`() {
        for share in [0, 0.001, 0.008, 0.02, 0.3] {
            let rise = TrainingHarm.rise(ofDivergence: share)
            #expect(abs(TrainingHarm.divergence(rising: rise) - share) < 1e-12)
        }
        #expect(TrainingHarm.divergence(rising: -0.01) == 0)
    }

    @Test(arguments: [0, 0.5, 1]) func `fewer gradients harm more, all of them not at all`(
        trainedShare: Double
    ) {
        let gradients = TrainingHarm.gradients(trainedShare: trainedShare)
        #expect(gradients.first?.share == 1 && gradients.first?.rise == 0)
        for (more, fewer) in zip(gradients, gradients.dropFirst()) {
            #expect(fewer.share < more.share && fewer.rise > more.rise)
        }
    }
}
