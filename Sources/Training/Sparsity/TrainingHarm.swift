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
    /// Gradients of a share of the context rows, and the rise where the others' are missing.
    struct Gradients {
        let share: Double
        let rise: Double
    }

    /// The shares that plans choose from.
    static let gradients = [
        Gradients(share: 1, rise: 0), Gradients(share: 0.5, rise: 0.004),
        Gradients(share: 0.25, rise: 0.0085),
        Gradients(share: 0.125, rise: 0.013), Gradients(share: 0, rise: 0.021),
    ]

    /// Small errors of the forward pass are trained around, large ones are not: a divergence of 0.8% of the loss raised
    /// it by 0.24%, one of 3.2% by 1.7%.
    static func rise(ofDivergence share: Double) -> Double { 0.0033 * pow(max(0, share) / 0.01, 1.4) }

    /// The divergence, as a share of the loss, with this rise; 0 for none.
    static func divergence(rising rise: Double) -> Double { 0.01 * pow(max(0, rise) / 0.0033, 1 / 1.4) }
}
