// Byte-pair merging against the definition of the algorithm, and the parts that it stands on.

import FileSupport
import Testing

@testable import Tokenization

struct BytePairTests {
    /// The definition: of all neighbouring pairs that have a rule, merge the first of those with the best rank.
    private func reference(_ word: [UInt8], _ definition: TokenizerDefinition) -> [String] {
        var ranks: [[String]: Int] = [:]
        for (rank, merge) in definition.merges.enumerated() { ranks[[merge.left, merge.right]] = rank }
        var tokens = word.map { ByteAlphabet.token(ofBytes: [$0]) }
        while true {
            let candidates = tokens.indices.dropLast().compactMap { index in
                ranks[[tokens[index], tokens[index + 1]]].map { (rank: $0, index: index) }
            }
            guard let best = candidates.min(by: { ($0.rank, $0.index) < ($1.rank, $1.index) }) else {
                return tokens
            }
            tokens[best.index] += tokens.remove(at: best.index + 1)
        }
    }

    @Test("Scanning and heap merge as the definition says, for short and long words")
    func mergesAsDefined() throws {
        let definition = try TokenizerJSON(
            JSONParser.parse(GoldenFiles.document("no-split"), location: "golden"), location: "golden"
        ).definition()
        let tokenizer = try Tokenizer(definition)
        var random = SeededGenerator(state: 3)
        let alphabet = Array("aeinotrs h".utf8)
        for length in [1, 2, 3, 5, 17, 31, 32, 33, 62, 63, 64, 65, 66, 100, 130, 180] {
            for _ in 0..<4 {
                let word = (0..<length).map { _ in alphabet.randomElement(using: &random) ?? 0 }
                let ids = tokenizer.encode(bytes: word, addSpecialTokens: false)
                #expect(ids.map { tokenizer.token(of: $0) } == reference(word, definition))
            }
        }
    }

    @Test("A pair table finds what was put in, and nothing else")
    func pairTableFinds() {
        var table = PairTable(capacity: 1000)
        for number in UInt32(0)..<1000 { table.insert(number % 37, number, value: UInt64(number)) }
        table.insert(5 % 37, 5, value: 77)
        for number in UInt32(0)..<1000 {
            #expect(table[number % 37, number] == (number == 5 ? 77 : UInt64(number)))
            #expect(table[number % 37 + 1, number] == PairTable.missing)
        }
    }

    @Test("The heap gives its items smallest first")
    func heapSorts() {
        var random = SeededGenerator(state: 5)
        var heap = MinimumHeap()
        let items = (0..<500).map { _ in random.next() % 300 }
        for item in items { heap.push(item) }
        var sorted: [UInt64] = []
        while let item = heap.popSmallest() { sorted.append(item) }
        #expect(sorted == items.sorted())
    }

    @Test("The word cache returns what it was given and never another word's tokens")
    func cacheIsExact() {
        var cache = WordCache()
        var random = SeededGenerator(state: 9)
        for _ in 0..<20_000 {
            let word = (0..<Int.random(in: 1...32, using: &random)).map { _ in
                UInt8.random(in: 0...3, using: &random)
            }
            // The tokens of a word follow from it, so a wrong answer shows.
            let tokens = [Int32](word.map { Int32($0) }.prefix(7))
            let key = word.withUnsafeBufferPointer { WordCache.Key($0) }
            var found: [Int32] = []
            if cache.append(key, to: &found) {
                #expect(found == tokens)
            } else {
                cache.insert(key, tokens: tokens[...])
                #expect(cache.append(key, to: &found) && found == tokens)
            }
        }
    }

    @Test("Scalars decode as the standard library's, at every length and for every kind of damage")
    func decodesScalars() {
        var random = SeededGenerator(state: 13)
        for _ in 0..<5000 {
            let bytes = (0..<6).map { _ in
                [UInt8.random(in: 0...255, using: &random), 0x80, 0xBF, 0xE0, 0xF0, 0xED].randomElement(
                    using: &random) ?? 0
            }
            var values: [UInt32] = []
            bytes.withUnsafeBufferPointer { buffer in
                var position = 0
                while position < buffer.count {
                    let scalar = decodeScalar(buffer, at: position, end: buffer.count)
                    values.append(scalar.codePoint)
                    position += scalar.length
                }
            }
            let expected = String(validating: bytes, as: UTF8.self)?.unicodeScalars.map(\.value)
            if let expected {
                #expect(values == expected)
            } else {
                #expect(values.contains(DecodedScalar.invalid))
            }
        }
    }

    @Test("Every byte has its own character, and comes back from it")
    func byteAlphabetIsABijection() {
        let all = [UInt8](0...255)
        let token = ByteAlphabet.token(ofBytes: all)
        #expect(Set(token.unicodeScalars).count == 256)
        var bytes: [UInt8] = []
        #expect(ByteAlphabet.appendBytes(ofToken: token, to: &bytes) && bytes == all)
        #expect(!ByteAlphabet.appendBytes(ofToken: "a b", to: &bytes) && bytes == all)
        #expect(ByteAlphabet.token(ofBytes: Array(" \n".utf8)) == "ĠĊ")
    }
}
