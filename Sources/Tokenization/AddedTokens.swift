// Added tokens: cut out of the text before it is pre-tokenized, each by its own rules about its surroundings.

import FileSupport

/// One set of added tokens that is looked for in one go: either in the original or in the normalised text.
struct AddedTokenSet: Sendable {
    /// A stretch of text: an added token, or (nil) text for the model.
    struct Section {
        var token: Int32?
        var range: Range<Int>
    }

    private let tokens: [TokenizerDefinition.AddedToken]
    private let trie: TokenTrie

    init(_ tokens: [TokenizerDefinition.AddedToken], contents: [[UInt8]]) {
        self.tokens = tokens
        trie = TokenTrie(contents)
    }

    /// The sections of `range` of a text, in order and without empty texts.
    ///
    /// As Hugging Face tokenizers: matches are found left to right before their rules apply, so a match that its rules
    /// discard still hides those that overlap it; and each section knows nothing of the text around `range`.
    func sections(
        of bytes: UnsafeBufferPointer<UInt8>, in range: Range<Int>, recognizeSpecialTokens: Bool
    ) -> [Section] {
        guard !range.isEmpty else { return [] }
        guard !trie.isEmpty else { return [Section(token: nil, range: range)] }
        var sections: [Section] = []
        var textStart = range.lowerBound
        var position = range.lowerBound
        while let match = trie.firstMatch(in: bytes, from: position, end: range.upperBound) {
            position = match.range.upperBound
            let token = tokens[match.pattern]
            if token.isSpecial, !recognizeSpecialTokens { continue }
            var (start, end) = (match.range.lowerBound, match.range.upperBound)
            if token.isSingleWord, touchesWord(bytes, start..<end, within: range) { continue }
            if token.stripsLeft {
                start = max(startOfSpaces(bytes, before: start, from: range.lowerBound), textStart)
            }
            if token.stripsRight { end = endOfSpaces(bytes, from: end, limit: range.upperBound) }
            if textStart < start { sections.append(Section(token: nil, range: textStart..<start)) }
            sections.append(Section(token: Int32(token.id), range: min(start, end)..<end))
            textStart = end
        }
        if textStart < range.upperBound {
            sections.append(Section(token: nil, range: textStart..<range.upperBound))
        }
        return sections
    }

    private func touchesWord(
        _ bytes: UnsafeBufferPointer<UInt8>, _ match: Range<Int>, within range: Range<Int>
    ) -> Bool {
        if let before = characterStart(bytes, before: match.lowerBound, from: range.lowerBound) {
            let scalar = decodeScalar(bytes, at: before, end: match.lowerBound)
            if CharacterClasses.shared.isWord(scalar.codePoint) { return true }
        }
        guard match.upperBound < range.upperBound else { return false }
        let scalar = decodeScalar(bytes, at: match.upperBound, end: range.upperBound)
        return CharacterClasses.shared.isWord(scalar.codePoint)
    }

    private func startOfSpaces(_ bytes: UnsafeBufferPointer<UInt8>, before end: Int, from start: Int) -> Int {
        var position = end
        while let before = characterStart(bytes, before: position, from: start),
            isSpace(bytes, at: before, end: position)
        {
            position = before
        }
        return position
    }

    private func endOfSpaces(_ bytes: UnsafeBufferPointer<UInt8>, from start: Int, limit: Int) -> Int {
        var position = start
        while position < limit, isSpace(bytes, at: position, end: limit) {
            position += decodeScalar(bytes, at: position, end: limit).length
        }
        return position
    }

    private func isSpace(_ bytes: UnsafeBufferPointer<UInt8>, at position: Int, end: Int) -> Bool {
        let scalar = decodeScalar(bytes, at: position, end: end)
        return CharacterClasses.shared.characterClass(of: scalar.codePoint) == CharacterClass.space
    }
}
