// The shared moves of the hand-written pre-tokenizer scanners: classify a character, run to the end of a class.

/// Reads the text of one `encode`. Ends that it returns never exceed the given limit: what lies beyond the limit does
/// not exist for a pattern, just as each piece is a string of its own for Hugging Face tokenizers.
struct TextScanner {
    let bytes: UnsafeBufferPointer<UInt8>
    let classes: CharacterClasses

    /// The class of the character at `position` and its length in bytes.
    @inline(__always)
    func character(at position: Int, limit: Int) -> (kind: UInt8, length: Int) {
        let byte = bytes[position]
        if byte < 0x80 { return (Self.asciiClass(byte), 1) }
        let scalar = decodeScalar(bytes, at: position, end: limit)
        return (classes.characterClass(of: scalar.codePoint), scalar.length)
    }

    @inline(__always)
    private static func asciiClass(_ byte: UInt8) -> UInt8 {
        if (byte | 0x20) &- UInt8(ascii: "a") < 26 { return CharacterClass.letter }
        if byte == 0x20 || byte &- 9 < 5 { return CharacterClass.space }
        return byte &- UInt8(ascii: "0") < 10 ? CharacterClass.number : CharacterClass.other
    }

    /// The end of the longest run of characters of one class that starts at `start`; `start` when there is none.
    @inline(__always)
    func endOfRun(of kind: UInt8, from start: Int, limit: Int) -> Int {
        var position = start
        while position < limit {
            let next = character(at: position, limit: limit)
            guard next.kind == kind else { break }
            position += next.length
        }
        return position
    }

    /// The end of `\s+(?!\S)|\s+`: a run of white space leaves its last character to the word that follows it, unless
    /// that is all there is.
    func endOfWhiteSpace(from start: Int, limit: Int) -> Int {
        var position = start
        var lastCharacter = start
        while position < limit {
            let next = character(at: position, limit: limit)
            guard next.kind == CharacterClass.space else {
                return lastCharacter > start ? lastCharacter : position
            }
            lastCharacter = position
            position += next.length
        }
        return position
    }

    /// The end of `'s|'t|'re|'ve|'m|'ll|'d` at an apostrophe, or nil.
    func endOfContraction(from start: Int, limit: Int, ignoringCase: Bool) -> Int? {
        func letter(_ offset: Int) -> UInt8 {
            guard start + offset < limit else { return 0 }
            let byte = bytes[start + offset]
            return ignoringCase && byte &- UInt8(ascii: "A") < 26 ? byte | 0x20 : byte
        }
        switch (letter(1), letter(2)) {
        case (UInt8(ascii: "s"), _), (UInt8(ascii: "t"), _), (UInt8(ascii: "m"), _), (UInt8(ascii: "d"), _):
            return start + 2
        case (UInt8(ascii: "r"), UInt8(ascii: "e")), (UInt8(ascii: "v"), UInt8(ascii: "e")),
            (UInt8(ascii: "l"), UInt8(ascii: "l")):
            return start + 3
        case (0xC5, 0xBF) where ignoringCase:
            // U+017F, the long s, folds to "s".
            return start + 3
        default:
            return nil
        }
    }
}
