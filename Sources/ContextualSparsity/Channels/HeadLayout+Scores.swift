// How much each key channel contributes to attention scores, from the column norms of queries and keys.

extension HeadLayout {
    /// The score of every key channel c = (h, d): the mean over the group's heads of its query channels' norms, times
    /// its key norm (SparseLoRA, arXiv 2506.16500, "attention norm", with the grouping that attention uses).
    ///
    /// - Parameters:
    ///   - queryNorms: L2 norms of the query projection's columns, [H * K].
    ///   - keyNorms: those of the key projection's columns, [J * K].
    /// - Returns: [J * K]
    package func attentionScores(queryNorms: [Float], keyNorms: [Float]) -> [Float] {
        check(queryNorms, keyNorms)
        return keyNorms.indices.map { channel in
            var sum: Float = 0
            for member in 0..<groupSize { sum += queryNorms[queryChannel(of: channel, member: member)] }
            return sum / Float(groupSize) * keyNorms[channel]
        }
    }

    /// The key channels that matter most when both channels of a rotary pair stay or go together.
    ///
    /// Rotation mixes channels d and d + rotaryWidth / 2 of a head and keeps the pair's norm, so the product of the
    /// pair norms of queries and keys bounds what the pair can add at any distance; a single channel's product says
    /// nothing of the kind. Channels at or past `rotaryWidth` are not rotated and stand alone. Pairs and single channels
    /// are ranked by score per channel; of equal ones the lower channel comes first.
    ///
    /// - Parameter count: how many channels to keep, at least 1; a pair that would exceed it is passed over, except
    ///   that the first choice is always kept whole.
    /// - Returns: ascending key channels.
    package func pairedKeyChannels(
        queryNorms: [Float], keyNorms: [Float], rotaryWidth: Int, count: Int
    ) -> [Int32] {
        check(queryNorms, keyNorms)
        precondition(
            (0...headWidth).contains(rotaryWidth) && rotaryWidth.isMultiple(of: 2)
                && (1...keyValueWidth).contains(count),
            "\(count) of \(keyValueWidth) channels, rotary width \(rotaryWidth) of \(headWidth)")
        let units = pairUnits(queryNorms, keyNorms, rotaryWidth: rotaryWidth).sorted { left, right in
            left.score == right.score ? left.channels[0] < right.channels[0] : left.score > right.score
        }
        var kept: [Int32] = []
        for unit in units where kept.isEmpty || kept.count + unit.channels.count <= count {
            kept += unit.channels
        }
        return kept.sorted()
    }

    private struct Unit {
        var channels: [Int32]
        /// Per channel.
        var score: Float
    }

    private func pairUnits(_ queryNorms: [Float], _ keyNorms: [Float], rotaryWidth: Int) -> [Unit] {
        let half = rotaryWidth / 2
        var units: [Unit] = []
        for head in 0..<keyValueHeadCount {
            for column in 0..<headWidth where column < half || column >= rotaryWidth {
                let first = head * headWidth + column
                let channels = column < half ? [first, first + half] : [first]
                var query: Float = 0
                for member in 0..<groupSize {
                    query += Self.norm(channels.map { queryNorms[queryChannel(of: $0, member: member)] })
                }
                let score = query / Float(groupSize) * Self.norm(channels.map { keyNorms[$0] })
                units.append(
                    Unit(
                        channels: channels.map { Int32($0) },
                        // NaN would make the order depend on the sort: it ranks last instead.
                        score: score.isNaN ? -.infinity : score / Float(channels.count)))
            }
        }
        return units
    }

    private static func norm(_ values: [Float]) -> Float {
        values.reduce(0) { $0 + $1 * $1 }.squareRoot()
    }

    private func queryChannel(of channel: Int, member: Int) -> Int {
        let (head, column) = channel.quotientAndRemainder(dividingBy: headWidth)
        return (head * groupSize + member) * headWidth + column
    }

    private func check(_ queryNorms: [Float], _ keyNorms: [Float]) {
        precondition(
            queryNorms.count == queryWidth && keyNorms.count == keyValueWidth,
            "\(queryNorms.count) query and \(keyNorms.count) key norms for \(queryWidth) and \(keyValueWidth)"
        )
    }
}
