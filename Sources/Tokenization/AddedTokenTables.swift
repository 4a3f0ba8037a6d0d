// Checks the added tokens of a definition and sorts them into what encoding needs.

import FileSupport

/// Added tokens by role, and the vocabulary with them in it.
struct AddedTokenTables {
    /// Tokens of the model and added ones, sorted by id.
    let allTokens: [TokenizerDefinition.Token]
    let addedOnly: Set<Int32>
    let specialIDs: Set<Int32>
    let originalText: AddedTokenSet
    let normalizedText: AddedTokenSet

    init(_ definition: TokenizerDefinition) throws(InputError) {
        let location = definition.location
        var modelToken: [Int: String] = [:]
        modelToken.reserveCapacity(definition.addedTokens.count)
        let addedIDs = Set(definition.addedTokens.map(\.id))
        for token in definition.tokens where addedIDs.contains(token.id) {
            modelToken[token.id] = token.content
        }

        var tokens = definition.tokens
        var addedOnly: Set<Int32> = []
        for token in definition.addedTokens {
            let longest = max(token.content.utf8.count, token.pattern?.utf8.count ?? 0)
            guard !token.content.isEmpty, longest <= TokenTrie.longestContent else {
                throw InputError(
                    location, expected: "added tokens of 1 to \(TokenTrie.longestContent) bytes",
                    found: "one of \(longest), id \(token.id)")
            }
            guard (0..<Vocabulary.maximumSize).contains(token.id) else {
                throw InputError(
                    location, expected: "token ids from 0 to \(Vocabulary.maximumSize - 1)",
                    found: "\(token.id) for the added token \"\(token.content)\"")
            }
            if let content = modelToken[token.id] {
                guard content.utf8.elementsEqual(token.content.utf8) else {
                    throw InputError(
                        location,
                        "id \(token.id) is the added token \"\(token.content)\" and the model's token \"\(content)\""
                    )
                }
            } else {
                // Hugging Face tokenizers decode to the normalised content. Where normalising puts a space in front it may
                // be another token's, so there the content stays.
                let content = definition.usesByteAlphabet ? token.pattern ?? token.content : token.content
                tokens.append(TokenizerDefinition.Token(content: content, id: token.id))
                addedOnly.insert(Int32(token.id))
            }
        }
        // Ids of most files are already in order, and then this is one pass.
        tokens.sort { $0.id < $1.id }
        allTokens = tokens
        self.addedOnly = addedOnly
        specialIDs = Set(definition.addedTokens.filter(\.isSpecial).map { Int32($0.id) })

        // Special tokens go first, so that of equal contents they win.
        let ordered =
            definition.addedTokens.filter(\.isSpecial) + definition.addedTokens.filter { !$0.isSpecial }
        let original = ordered.filter { !$0.isNormalized }
        let normalized = ordered.filter(\.isNormalized)
        func patterns(_ tokens: [TokenizerDefinition.AddedToken]) -> [[UInt8]] {
            tokens.map { Array(($0.pattern ?? $0.content).utf8) }
        }
        originalText = AddedTokenSet(original, contents: patterns(original))
        normalizedText = AddedTokenSet(normalized, contents: patterns(normalized))
    }
}
