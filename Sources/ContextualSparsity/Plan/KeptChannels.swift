// How many channels stay when a share of them is dropped.

/// The one rule by which a ratio becomes a number of channels.
package enum KeptChannels {
    /// `floor(count * (1 - dropped))`, at least one channel.
    ///
    /// The products of decimal ratios fall a hair short of whole numbers (10 * (1 - 0.9) is 0.9999...), so a hair is
    /// added first.
    /// - Precondition: `count` is positive and `dropped` lies in `[0, 1)`.
    package static func count(of count: Int, dropping dropped: Double) -> Int {
        precondition(
            count > 0 && dropped >= 0 && dropped < 1, "\(count) channels, \(dropped) of them dropped")
        return min(count, max(1, Int(Double(count) * (1 - dropped) + 1e-9)))
    }
}
