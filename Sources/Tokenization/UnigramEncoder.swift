// The Unigram model: of all ways to write a word in tokens, the one with the highest sum of scores.

import FileSupport

/// Viterbi search over the tokens that start at each character, with Hugging Face tokenizers' handling of what is unknown.
struct UnigramEncoder: Sendable {
    private let vocabulary: Vocabulary
    private let trie: TokenTrie
    private let scores: [Double]
    private let unknownToken: Int32?
    private let unknownScore: Double
    private let fallbackTokens: [Int32]

    /// How far below the lowest score an unknown character lies.
    private static let unknownPenalty = 10.0

    init(_ definition: TokenizerDefinition, scores: [Double], vocabulary: Vocabulary, seeds: SeedTokens)
        throws(InputError)
    {
        guard scores.allSatisfy(\.isFinite), definition.tokens.count == scores.count else {
            throw InputError(
                definition.location, expected: "a finite score for each of \(definition.tokens.count) tokens",
                found: "\(scores.filter(\.isFinite).count)")
        }
        self.vocabulary = vocabulary
        let scores = scores.map(\.asTokenizersReadIt)
        self.scores = scores
        unknownToken = definition.unknownToken.flatMap(vocabulary.id(ofToken:))
        unknownScore = (scores.min() ?? 0) - Self.unknownPenalty
        fallbackTokens = seeds.fallbackTokens
        let contents = definition.tokens.sorted { $0.id < $1.id }.map { Array($0.content.utf8) }
        guard contents.allSatisfy({ $0.count <= TokenTrie.longestContent }) else {
            throw InputError(
                definition.location, expected: "tokens of at most \(TokenTrie.longestContent) bytes",
                found: "a longer one")
        }
        trie = TokenTrie(contents)
    }

    /// The best way to write a word up to some place, by its last part.
    struct Node: Sendable {
        var score = 0.0
        /// Where that part starts; -1 where no way leads to the place.
        var start = Int32(-1)
        /// Its token, or -1 for a character that is unknown.
        var token = Int32(-1)
    }

    /// Working memory, reused from word to word.
    struct Scratch: Sendable {
        var nodes: [Node] = []
        /// The places where the parts of the best way end, the last first.
        var ends: [Int32] = []

        /// Gives back what an unusually long word took.
        mutating func trim(to limit: Int = 1 << 16) {
            if nodes.count > limit { self = Scratch() }
        }
    }

    /// Appends the tokens of `word` to `output`.
    func encode(
        _ word: UnsafeBufferPointer<UInt8>, scratch: inout Scratch, into output: inout [Int32]
    ) {
        precondition(word.count < Int(Int32.max), "Unigram of a word of \(word.count) bytes")
        if scratch.nodes.count <= word.count {
            scratch.nodes = [Node](repeating: Node(), count: max(64, 2 * word.count))
        }
        scratch.nodes.withUnsafeMutableBufferPointer { findBest(word, $0) }
        scratch.ends.removeAll(keepingCapacity: true)
        var end = word.count
        while end > 0 {
            scratch.ends.append(Int32(end))
            end = Int(scratch.nodes[end].start)
        }
        // Neighbours that are unknown make one part.
        var unknownStart: Int?
        for (index, end) in zip(0..., scratch.ends.reversed()) {
            let node = scratch.nodes[Int(end)]
            guard node.token < 0 else {
                output.append(node.token)
                continue
            }
            let start = unknownStart ?? Int(node.start)
            let isLast = index + 1 == scratch.ends.count
            let following = isLast ? nil : scratch.nodes[Int(scratch.ends[scratch.ends.count - index - 2])]
            if following?.token == -1 {
                unknownStart = start
            } else {
                append(UnsafeBufferPointer(rebasing: word[start..<Int(end)]), to: &output)
                unknownStart = nil
            }
        }
    }

    private func findBest(
        _ word: UnsafeBufferPointer<UInt8>, _ best: UnsafeMutableBufferPointer<Node>
    ) {
        for index in 0...word.count { best[index] = Node() }
        var start = 0
        while start < word.count {
            let length = decodeScalar(word, at: start, end: word.count).length
            let scoreSoFar = best[start].score
            var hasSingle = false
            trie.forEachPrefix(of: word, at: start) { id, end in
                let score = scores[id] + scoreSoFar
                if best[end].start < 0 || score > best[end].score {
                    let token = Int32(id) == unknownToken ? -1 : Int32(id)
                    best[end] = Node(score: score, start: Int32(start), token: token)
                }
                hasSingle = hasSingle || end == start + length
            }
            if !hasSingle {
                let score = unknownScore + scoreSoFar
                if best[start + length].start < 0 || score > best[start + length].score {
                    best[start + length] = Node(score: score, start: Int32(start))
                }
            }
            start += length
        }
    }

    private func append(_ part: UnsafeBufferPointer<UInt8>, to output: inout [Int32]) {
        if let id = vocabulary.id(of: part), Int(id) < scores.count {
            output.append(id)
        } else if !fallbackTokens.isEmpty, part.allSatisfy({ fallbackTokens[Int($0)] >= 0 }) {
            output += part.map { fallbackTokens[Int($0)] }
        } else if let unknownToken {
            output.append(unknownToken)
        }
    }
}
