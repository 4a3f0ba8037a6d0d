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
        let token = options.temperature <= 0 ? greedy(logits) : drawn(from: candidates(logits))
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
        let values = penalised(logits)
        let largest = Double(values.max() ?? 0)
        let temperature = Double(options.temperature)
        var candidates = values.enumerated().map { index, value in
            Candidate(token: Int32(index), weight: exp((Double(value) - largest) / temperature))
        }
        if options.topK > 0, options.topK < candidates.count {
            // A threshold instead of a cut: equal logits at the border all stay, as in transformers.
            let threshold = candidates.map(\.weight).sorted(by: >)[options.topK - 1]
            candidates.removeAll { $0.weight < threshold }
        }
        candidates.sort { ($1.weight, $0.token) < ($0.weight, $1.token) }
        if options.topP < 1 { candidates = withinTopP(candidates) }
        if options.minP > 0, let first = candidates.first {
            let least = first.weight * Double(options.minP)
            candidates = candidates.filter { $0.weight >= least }
        }
        return candidates.isEmpty
            ? [Candidate(token: Self.indexOfLargest(values[...]), weight: 1)] : candidates
    }

    /// The shortest run of likeliest tokens whose probability reaches top-p; at least one.
    private func withinTopP(_ candidates: [Candidate]) -> [Candidate] {
        let total = candidates.reduce(0) { $0 + $1.weight }
        var sum = 0.0
        for (index, candidate) in candidates.enumerated() {
            sum += candidate.weight
            if sum >= Double(options.topP) * total { return Array(candidates[...index]) }
        }
        return candidates
    }

    private mutating func drawn(from candidates: [Candidate]) -> Int32 {
        var rest = random.unit() * candidates.reduce(0) { $0 + $1.weight }
        for candidate in candidates {
            rest -= candidate.weight
            if rest < 0 { return candidate.token }
        }
        return candidates[candidates.count - 1].token
    }
}
