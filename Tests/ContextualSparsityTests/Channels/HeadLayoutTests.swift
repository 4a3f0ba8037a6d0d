// Index maps and scores of grouped-query attention against plain attention on toys.

import ContextualSparsity
import TestSupport
import Testing

private let layouts = [(4, 4, 4), (8, 2, 4), (6, 1, 2), (9, 3, 6), (2, 1, 8)].map {
    HeadLayout(headCount: $0.0, keyValueHeadCount: $0.1, headWidth: $0.2)
}

/// One query row against key rows: what every head reads, [H * K], by the definition of grouped-query attention.
private func attention(
    _ layout: HeadLayout, query: [Double], keys: [[Double]], values: [[Double]]
) -> (scores: [Double], output: [Double]) {
    let (width, group) = (layout.headWidth, layout.groupSize)
    var scores: [Double] = []
    var output = [Double](repeating: 0, count: layout.queryWidth)
    for head in 0..<layout.headCount {
        let shared = head / group
        for (row, key) in keys.enumerated() {
            let score = (0..<width).reduce(0) { $0 + query[head * width + $1] * key[shared * width + $1] }
            scores.append(score)
            for d in 0..<width {
                output[head * width + d] += score * values[row][shared * width + d]
            }
        }
    }
    return (scores, output)
}

@Suite struct HeadLayoutTests {
    private func vector(_ count: Int, _ random: inout SeededRandom) -> [Double] {
        random.floats(count).map { Double($0) }
    }

    @Test(arguments: layouts)
    func `a query channel matters for exactly the key channels that it is mapped from`(layout: HeadLayout) {
        var random = SeededRandom(seed: 1)
        let query = vector(layout.queryWidth, &random)
        let values = [[Double](repeating: 0, count: layout.keyValueWidth)]
        for channel in 0..<layout.keyValueWidth {
            var key = [Double](repeating: 0, count: layout.keyValueWidth)
            key[channel] = 1
            let met = Set(layout.queryChannels(ofKeyValueChannels: [Int32(channel)]))
            for queryChannel in 0..<layout.queryWidth {
                var without = query
                without[queryChannel] = 0
                let full = attention(layout, query: query, keys: [key], values: values).scores
                let changed = attention(layout, query: without, keys: [key], values: values).scores
                #expect((full != changed) == met.contains(Int32(queryChannel)))
            }
        }
    }

    @Test(arguments: layouts)
    func `an input of the output projection reads exactly the value channel that it is mapped from`(
        layout: HeadLayout
    ) {
        let ones = [Double](repeating: 1, count: layout.queryWidth)
        let keys = [[Double](repeating: 1, count: layout.keyValueWidth)]
        for channel in 0..<layout.keyValueWidth {
            var value = [Double](repeating: 0, count: layout.keyValueWidth)
            value[channel] = 1
            let output = attention(layout, query: ones, keys: keys, values: [value]).output
            let reached = output.indices.filter { output[$0] != 0 }.map { Int32($0) }
            #expect(layout.queryChannels(ofKeyValueChannels: [Int32(channel)]) == reached)
        }
    }

    @Test(arguments: layouts)
    func `a set maps to the ascending union of its channels' maps, and the rest to the rest`(
        layout: HeadLayout
    ) {
        var random = SeededRandom(seed: 2)
        for _ in 0..<20 {
            let some = (0..<Int32(layout.keyValueWidth)).filter { _ in random.next() % 2 == 0 }
            let mapped = layout.queryChannels(ofKeyValueChannels: some)
            let union = some.flatMap { layout.queryChannels(ofKeyValueChannels: [$0]) }
            #expect(mapped == union.sorted() && mapped.count == some.count * layout.groupSize)
            let rest = HeadLayout.complement(of: some, below: layout.keyValueWidth)
            #expect((some + rest).sorted() == (0..<Int32(layout.keyValueWidth)).map { $0 })
            #expect(
                layout.queryChannels(ofKeyValueChannels: rest)
                    == HeadLayout.complement(of: mapped, below: layout.queryWidth))
        }
    }

    @Test(arguments: layouts)
    func `a key channel's score is the mean of its query channels' norms times its own`(layout: HeadLayout) {
        var random = SeededRandom(seed: 3)
        let query = random.floats(layout.queryWidth).map(abs),
            key = random.floats(layout.keyValueWidth).map(abs)
        let scores = layout.attentionScores(queryNorms: query, keyNorms: key)
        for channel in 0..<layout.keyValueWidth {
            let partners = layout.queryChannels(ofKeyValueChannels: [Int32(channel)])
            let mean = partners.reduce(Float(0)) { $0 + query[Int($1)] } / Float(partners.count)
            #expect(abs(scores[channel] - mean * key[channel]) < 1e-6)
        }
    }

    @Test(arguments: layouts, [0, 2, 1000])
    func `pairs stay whole and are the best of all choices`(layout: HeadLayout, width: Int) {
        let rotaryWidth = min(width, layout.headWidth)
        let half = rotaryWidth / 2
        var random = SeededRandom(seed: 4)
        let query = random.floats(layout.queryWidth).map(abs),
            key = random.floats(layout.keyValueWidth).map(abs)
        func partner(_ channel: Int) -> Int? {
            let column = channel % layout.headWidth
            return column >= rotaryWidth ? nil : column < half ? channel + half : channel - half
        }
        /// Half of what the pair can add, or all that a single channel can.
        func worth(_ channel: Int) -> Float {
            let members = [channel] + (partner(channel).map { [$0] } ?? [])
            var sum: Float = 0
            for member in 0..<layout.groupSize {
                let squares = members.map { channel -> Float in
                    let head = channel / layout.headWidth * layout.groupSize + member
                    let norm = query[head * layout.headWidth + channel % layout.headWidth]
                    return norm * norm
                }
                sum += squares.reduce(0, +).squareRoot()
            }
            let keys = members.map { key[$0] * key[$0] }.reduce(0, +).squareRoot()
            return sum / Float(layout.groupSize) * keys / Float(members.count)
        }
        for count in 1...layout.keyValueWidth {
            let kept = layout.pairedKeyChannels(
                queryNorms: query, keyNorms: key, rotaryWidth: rotaryWidth, count: count)
            #expect(kept == kept.sorted() && Set(kept).count == kept.count && !kept.isEmpty)
            #expect(kept.count <= max(2, count) && kept.count >= count - 1)
            let set = Set(kept.map { Int($0) })
            for channel in set {
                if let partner = partner(channel) { #expect(set.contains(partner)) }
            }
            let rest = Set(0..<layout.keyValueWidth).subtracting(set)
            // A whole number of places fills up in the order of worth when all units are of one size.
            if rotaryWidth == layout.headWidth || rotaryWidth == 0, let least = set.map({ worth($0) }).min(),
                let most = rest.map({ worth($0) }).max()
            {
                #expect(least >= most - 1e-6)
            }
        }
    }

    @Test func `norms that are not numbers rank last`() {
        let layout = HeadLayout(headCount: 2, keyValueHeadCount: 1, headWidth: 4)
        let norms: [Float] = [.nan, 1, 2, 3, 1, 1, 2, 3]
        let kept = layout.pairedKeyChannels(
            queryNorms: norms, keyNorms: [1, 1, 1, 1], rotaryWidth: 4, count: 2)
        #expect(kept == [1, 3])
    }
}
