// An example as the model sees it: tokens, and which of them it should learn to say.

package struct TokenizedExample: Equatable, Sendable {
    package private(set) var tokens: [Int32]
    /// For every token whether it is trained, that is, predicted from those before it. Never true of the first, which
    /// has none before it.
    package private(set) var isLabelled: [Bool]

    package init(tokens: [Int32], isLabelled: [Bool]) {
        precondition(
            tokens.count == isLabelled.count, "\(tokens.count) tokens, \(isLabelled.count) labels")
        self.tokens = tokens
        self.isLabelled = isLabelled
        if !isLabelled.isEmpty { self.isLabelled[0] = false }
    }

    /// A sequence in parts, each trained or not.
    init(_ parts: [(tokens: [Int32], isLabelled: Bool)]) {
        self.init(
            tokens: parts.flatMap(\.tokens),
            isLabelled: parts.flatMap { Array(repeating: $0.isLabelled, count: $0.tokens.count) })
    }

    package var count: Int { tokens.count }
    package var labelledCount: Int { isLabelled.count { $0 } }

    /// Keeps the first tokens.
    mutating func truncate(to length: Int) {
        tokens = Array(tokens.prefix(length))
        isLabelled = Array(isLabelled.prefix(length))
    }

    mutating func labelAll() { self = TokenizedExample(tokens: tokens, isLabelled: tokens.map { _ in true }) }
}
