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

    /// The multiple of 32 next to `kept`, where it is 64 or more, at most `most`.
    ///
    /// Products compute 32 columns at a time: 33 take as long as 64. A method that is free to choose how many channels
    /// it keeps, or the rank of a map, therefore keeps whole blocks of them.
    package static func wholeBlocks(_ kept: Int, most: Int) -> Int {
        kept < 64 || kept == most ? kept : min(most, (kept + 16) / 32 * 32)
    }
}

extension SparsityPlan {
    /// How many of `count` feed-forward channels stay when a share of them is dropped.
    package func keptChannels(of count: Int, dropping share: Double) -> Int {
        let kept = KeptChannels.count(of: count, dropping: share)
        return method == .calibrated ? KeptChannels.wholeBlocks(kept, most: count) : kept
    }
}
