// What sparse steps do to a model that is trained with them: the exchange rate between the two ways to save.

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// Rises of the held-out loss after an epoch, relative to dense training: fitted to whole runs, see docs/LOG.md.
enum TrainingHarm {
    /// Gradients of a share of the rows, and the rise where the others' are missing.
    struct Gradients {
        let share: Double
        let rise: Double
    }

    /// The shares that plans choose from, for data of whose tokens a share is trained.
    ///
    /// What is missing grows with the square of the rows left out. With few trained tokens, whose gradients are the largest,
    /// half of the rows cost 0.4%; with half of them trained 1.4%.
    static func gradients(trainedShare: Double) -> [Gradients] {
        let riseAtHalf = 0.004 + 0.0207 * trainedShare
        return gradientShares.map { share in
            Gradients(share: share, rise: riseAtHalf * 4 * (1 - share) * (1 - share))
        }
    }

    static let leastGradientShare = 0.15
    private static let gradientShares = [1, 0.85, 0.75, 0.65, 0.55, 0.45, 0.35, 0.25, leastGradientShare]

    /// Small errors of the forward pass are trained around, larger ones less so: divergences of 0.8, 1.7 and 3.2% of the
    /// loss raised it by 0.24, 1.0 and 1.7%.
    static func rise(ofDivergence share: Double) -> Double {
        riseAtOnePercent * pow(max(0, share) / 0.01, exponent)
    }

    /// The divergence, as a share of the loss, with this rise; 0 for none.
    static func divergence(rising rise: Double) -> Double {
        0.01 * pow(max(0, rise) / riseAtOnePercent, 1 / exponent)
    }

    private static let riseAtOnePercent = 0.0038
    private static let exponent = 1.4
}
