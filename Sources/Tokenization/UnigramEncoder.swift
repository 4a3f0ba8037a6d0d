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

    private struct Node {
        var score = 0.0
        var start = -1
        var isUnknown = false
    }

    /// Appends the tokens of `word` to `output`.
    func encode(_ word: UnsafeBufferPointer<UInt8>, into output: inout [Int32]) {
        var best = [Node](repeating: Node(), count: word.count + 1)
        var start = 0
        while start < word.count {
            let length = decodeScalar(word, at: start, end: word.count).length
            let scoreSoFar = best[start].score
            var hasSingle = false
            trie.forEachPrefix(of: word, at: start) { id, end in
                let score = scores[id] + scoreSoFar
                if best[end].start < 0 || score > best[end].score {
                    best[end] = Node(score: score, start: start, isUnknown: Int32(id) == unknownToken)
                }
                hasSingle = hasSingle || end == start + length
            }
            if !hasSingle {
                let score = unknownScore + scoreSoFar
                if best[start + length].start < 0 || score > best[start + length].score {
                    best[start + length] = Node(score: score, start: start, isUnknown: true)
                }
            }
            start += length
        }
        var parts: [Range<Int>] = []
        var end = word.count
        var isRunOfUnknown = false
        while end > 0 {
            let node = best[end]
            if node.isUnknown, isRunOfUnknown, let last = parts.last {
                parts[parts.count - 1] = node.start..<last.upperBound
            } else {
                parts.append(node.start..<end)
            }
            isRunOfUnknown = node.isUnknown
            end = node.start
        }
        for part in parts.reversed() { append(UnsafeBufferPointer(rebasing: word[part]), to: &output) }
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
