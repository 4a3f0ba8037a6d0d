// The word patterns that byte-level BPE models were trained with, each as a scanner that finds one match.
//
// Each function returns the end of the pattern's match at `start`, which always takes at least one character, since
// the patterns' alternatives cover every character. The pattern stands above each.

extension TextScanner {
    /// GPT-2: `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
    func endOfGPT2Word(from start: Int, limit: Int) -> Int {
        let first = bytes[start]
        if first == UInt8(ascii: "'"),
            let end = endOfContraction(from: start, limit: limit, ignoringCase: false)
        {
            return end
        }
        var wordStart = start
        if first == UInt8(ascii: " "), start + 1 < limit { wordStart += 1 }
        let head = character(at: wordStart, limit: limit)
        if head.kind != CharacterClass.space {
            return endOfRun(of: head.kind, from: wordStart + head.length, limit: limit)
        }
        return endOfWhiteSpace(from: start, limit: limit)
    }

    /// Llama 3, with `longestNumber` 3, and Qwen 2, with 1:
    /// `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+`
    /// `|\s+(?!\S)|\s+`
    func endOfLlama3Word(from start: Int, limit: Int, longestNumber: Int) -> Int {
        let first = bytes[start]
        if first == UInt8(ascii: "'"),
            let end = endOfContraction(from: start, limit: limit, ignoringCase: true)
        {
            return end
        }
        let head = character(at: start, limit: limit)
        let afterHead = start + head.length
        switch head.kind {
        case CharacterClass.letter:
            return endOfRun(of: CharacterClass.letter, from: afterHead, limit: limit)
        case CharacterClass.number:
            return endOfNumber(from: start, limit: limit, longest: longestNumber)
        default:
            break
        }
        if afterHead < limit, !Self.isLineBreak(first) {
            let follower = character(at: afterHead, limit: limit)
            if follower.kind == CharacterClass.letter {
                return endOfRun(of: CharacterClass.letter, from: afterHead + follower.length, limit: limit)
            }
            if first == UInt8(ascii: " "), follower.kind == CharacterClass.other {
                return endOfSymbols(from: afterHead, limit: limit)
            }
        }
        if head.kind == CharacterClass.other { return endOfSymbols(from: start, limit: limit) }
        return endOfLineBreaks(from: start, limit: limit) ?? endOfWhiteSpace(from: start, limit: limit)
    }

    /// `\p{N}{1,longest}`
    private func endOfNumber(from start: Int, limit: Int, longest: Int) -> Int {
        var position = start
        for _ in 0..<longest where position < limit {
            let next = character(at: position, limit: limit)
            guard next.kind == CharacterClass.number else { break }
            position += next.length
        }
        return position
    }

    /// `[^\s\p{L}\p{N}]+[\r\n]*`
    private func endOfSymbols(from start: Int, limit: Int) -> Int {
        var position = endOfRun(of: CharacterClass.other, from: start, limit: limit)
        while position < limit, Self.isLineBreak(bytes[position]) { position += 1 }
        return position
    }

    /// `\s*[\r\n]+`: through the last line break of a run of white space, or nil when it has none.
    private func endOfLineBreaks(from start: Int, limit: Int) -> Int? {
        var position = start
        var end: Int?
        while position < limit {
            let next = character(at: position, limit: limit)
            guard next.kind == CharacterClass.space else { break }
            if Self.isLineBreak(bytes[position]) { end = position + 1 }
            position += next.length
        }
        return end
    }

    private static func isLineBreak(_ byte: UInt8) -> Bool { byte == 0x0A || byte == 0x0D }

    /// The `Digits` splitter: a number on its own (one digit, or a run of them), or all up to the next digit.
    func endOfDigitsPiece(from start: Int, limit: Int, individually: Bool) -> Int {
        let head = character(at: start, limit: limit)
        var position = start + head.length
        if head.kind == CharacterClass.number {
            return individually
                ? position : endOfRun(of: CharacterClass.number, from: position, limit: limit)
        }
        while position < limit {
            let next = character(at: position, limit: limit)
            if next.kind == CharacterClass.number { break }
            position += next.length
        }
        return position
    }
}
