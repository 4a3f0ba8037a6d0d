// Which query and output channels go with a key or value channel, and how much a key channel matters.
//
// H query heads, J key-value heads, K head width, G = H / J. Query head h * G + g attends to key-value head h, so key
// channel (h, d) meets the query channels (h * G + g, d), and value channel (h, d) reaches the output projection's
// input channels of the same numbers.

/// How the channels of attention's projections fall into heads.
package struct HeadLayout: Equatable, Sendable {
    /// H
    package let headCount: Int
    /// J
    package let keyValueHeadCount: Int
    /// K
    package let headWidth: Int

    package init(headCount: Int, keyValueHeadCount: Int, headWidth: Int) {
        precondition(
            keyValueHeadCount > 0 && headCount > 0 && headWidth > 0
                && headCount.isMultiple(of: keyValueHeadCount),
            "\(headCount) query heads, \(keyValueHeadCount) key-value heads, width \(headWidth)")
        self.headCount = headCount
        self.keyValueHeadCount = keyValueHeadCount
        self.headWidth = headWidth
    }

    /// G
    package var groupSize: Int { headCount / keyValueHeadCount }
    package var queryWidth: Int { headCount * headWidth }
    package var keyValueWidth: Int { keyValueHeadCount * headWidth }

    /// The query channels that meet the given key channels, or the inputs of the output projection that the given
    /// value channels reach: G of them for each.
    ///
    /// - Parameter channels: ascending, below J * K.
    /// - Returns: ascending, below H * K.
    package func queryChannels(ofKeyValueChannels channels: [Int32]) -> [Int32] {
        precondition(
            zip(channels, channels.dropFirst()).allSatisfy { $0 < $1 }
                && channels.allSatisfy { (0..<Int32(keyValueWidth)).contains($0) },
            "key-value channels must ascend below \(keyValueWidth)")
        let width = Int32(headWidth)
        var result: [Int32] = []
        result.reserveCapacity(channels.count * groupSize)
        var start = 0
        while start < channels.count {
            let head = channels[start] / width
            let end = channels[start...].firstIndex { $0 / width != head } ?? channels.count
            for member in 0..<Int32(groupSize) {
                let base = (head * Int32(groupSize) + member) * width - head * width
                for channel in channels[start..<end] { result.append(base + channel) }
            }
            start = end
        }
        return result
    }

    /// The channels below `count` that are not among the ascending `channels`.
    package static func complement(of channels: [Int32], below count: Int) -> [Int32] {
        var rest: [Int32] = []
        rest.reserveCapacity(max(0, count - channels.count))
        var next = 0
        for channel in 0..<Int32(count) {
            if next < channels.count, channels[next] == channel { next += 1 } else { rest.append(channel) }
        }
        precondition(next == channels.count, "channels must ascend below \(count)")
        return rest
    }
}
