// From logits to a token: penalty, temperature, top-k, top-p, min-p, in the order of transformers.

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// Chooses the tokens of one sequence. Its random numbers belong to the sequence, so a batch changes nothing.
package struct TokenSampler {
    private let options: GenerationOptions
    private var random: SeededRandom
    private var seen: Set<Int32> = []

    /// - Parameter sequence: tells sequences of one run apart.
    package init(_ options: GenerationOptions, prompt: [Int32] = [], sequence: Int = 0) {
        self.options = options
        random = SeededRandom(seed: options.seed, stream: "sequence \(sequence)")
        if options.repetitionPenalty != 1 { seen = Set(prompt) }
    }

    /// The next token from the logits of the whole vocabulary.
    package mutating func sample(_ logits: ArraySlice<Float>) -> Int32 {
        let token = options.temperature <= 0 ? greedy(logits) : drawn(from: logits)
        if options.repetitionPenalty != 1 { seen.insert(token) }
        return token
    }

    /// The likeliest token, the lowest on ties.
    private func greedy(_ logits: ArraySlice<Float>) -> Int32 {
        if seen.isEmpty { return Self.indexOfLargest(logits) }
        return Self.indexOfLargest(penalised(logits)[...])
    }

    private static func indexOfLargest(_ values: ArraySlice<Float>) -> Int32 {
        values.withUnsafeBufferPointer { values in
            var best = 0
            for index in 1..<max(1, values.count) where values[index] > values[best] { best = index }
            return Int32(best)
        }
    }

    private func penalised(_ logits: ArraySlice<Float>) -> [Float] {
        var logits = Array(logits)
        for token in seen where logits.indices.contains(Int(token)) {
            let value = logits[Int(token)]
            logits[Int(token)] =
                value > 0 ? value / options.repetitionPenalty : value * options.repetitionPenalty
        }
        return logits
    }

    /// A token that may be drawn, with its unnormalised probability.
    struct Candidate: Equatable {
        let token: Int32
        let weight: Double
    }

    /// What the options leave, likeliest first; never empty.
    func candidates(_ logits: ArraySlice<Float>) -> [Candidate] {
        var ranking = self.ranking(logits)
        var kept: [Candidate] = []
        var sum = 0.0
        while let next = ranking.popLikeliest() {
            if options.minP > 0, let first = kept.first, next.weight < first.weight * Double(options.minP) {
                break
            }
            kept.append(next)
            sum += next.weight
            if options.topP < 1, sum >= Double(options.topP) * ranking.total { break }
        }
        return kept
    }

    /// All that top-k leaves.
    private func ranking(_ logits: ArraySlice<Float>) -> CandidateRanking {
        let values = penalised(logits)
        let largest = Double(values.max() ?? 0)
        let temperature = Double(options.temperature)
        var candidates = values.enumerated().map { index, value in
            Candidate(token: Int32(index), weight: exp((Double(value) - largest) / temperature))
        }
        if options.topK > 0, options.topK < candidates.count {
            var ranking = CandidateRanking(candidates)
            var threshold = 0.0
            for _ in 0..<options.topK { threshold = ranking.popLikeliest()?.weight ?? threshold }
            // A threshold instead of a cut: equal logits at the border all stay, as in transformers.
            candidates.removeAll { $0.weight < threshold }
        }
        // Without a finite logit nothing is likelier than another.
        return CandidateRanking(
            candidates.isEmpty
                ? [Candidate(token: Self.indexOfLargest(values[...]), weight: 1)] : candidates)
    }

    private mutating func drawn(from logits: ArraySlice<Float>) -> Int32 {
        let unit = random.unit()
        if options.topP < 1 || options.minP > 0 {
            let candidates = candidates(logits)
            var rest = unit * candidates.reduce(0) { $0 + $1.weight }
            for candidate in candidates {
                rest -= candidate.weight
                if rest < 0 { return candidate.token }
            }
            return candidates[candidates.count - 1].token
        }
        // Usually one of the likeliest: the others need no order.
        var ranking = self.ranking(logits)
        var rest = unit * ranking.total
        var token: Int32 = 0
        while let next = ranking.popLikeliest() {
            token = next.token
            rest -= next.weight
            if rest < 0 { break }
        }
        return token
    }
}

/// Tokens that give way one by one, likeliest first and lower numbers before higher ones of the same weight.
///
/// A heap: building it passes over the vocabulary once, and few tokens are ever taken out.
private struct CandidateRanking {
    typealias Candidate = TokenSampler.Candidate

    /// The sum of all weights.
    let total: Double
    private var heap: [Candidate]

    init(_ candidates: [Candidate]) {
        total = candidates.reduce(0) { $0 + $1.weight }
        heap = candidates
        for index in stride(from: heap.count / 2 - 1, through: 0, by: -1) { sink(index) }
    }

    mutating func popLikeliest() -> Candidate? {
        guard let first = heap.first, let last = heap.popLast() else { return nil }
        if !heap.isEmpty {
            heap[0] = last
            sink(0)
        }
        return first
    }

    private mutating func sink(_ index: Int) {
        heap.withUnsafeMutableBufferPointer { heap in
            var index = index
            let sinking = heap[index]
            while true {
                var child = 2 * index + 1
                if child + 1 < heap.count, Self.isLikelier(heap[child + 1], heap[child]) { child += 1 }
                guard child < heap.count, Self.isLikelier(heap[child], sinking) else { break }
                heap[index] = heap[child]
                index = child
            }
            heap[index] = sinking
        }
    }

    private static func isLikelier(_ a: Candidate, _ b: Candidate) -> Bool {
        a.weight > b.weight || a.weight == b.weight && a.token < b.token
    }
}
