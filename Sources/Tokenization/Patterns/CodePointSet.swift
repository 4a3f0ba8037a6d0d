// Sets of code points: as a sorted list while a pattern is compiled, as a bitmap while it runs.

/// A set as an inversion list: the code points from `bounds[0]` up to `bounds[1]`, from `bounds[2]` up to `bounds[3]`, ...
struct CodePointSet: Equatable, Sendable {
    private(set) var bounds: [UInt32] = []

    static let end: UInt32 = 0x110000
    static let all = CodePointSet([0..<end])
    static let space = CodePointSet { $0.isSpace }
    /// Oniguruma's `\w`: without the joiners that other libraries count in, with the numbers of Latin-1.
    static let word = CodePointSet { $0.isWord }
        .intersection(CodePointSet([0x200C..<0x200E]).inverted)
        .union(CodePointSet([0xB2..<0xB4, 0xB9..<0xBA, 0xBC..<0xBF]))
    static let digit = CodePointSet { $0.isIn("Nd") }
    static let hexDigit = CodePointSet([0x30..<0x3A, 0x41..<0x47, 0x61..<0x67])
    static let notLineFeed = CodePointSet([0x0A..<0x0B]).inverted

    /// The union of ranges in any order.
    init(_ ranges: [Range<UInt32>]) {
        for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) where !range.isEmpty {
            if let last = bounds.last, range.lowerBound <= last {
                bounds[bounds.count - 1] = max(last, range.upperBound)
            } else {
                bounds += [range.lowerBound, range.upperBound]
            }
        }
    }

    /// All code points whose value fulfils a condition.
    init(where condition: (GeneralCategory.Value) -> Bool) {
        var ranges: [Range<UInt32>] = []
        GeneralCategory.forEachRun { range, value in if condition(value) { ranges.append(range) } }
        self.init(ranges)
    }

    /// All code points of a general category, by one letter ("L") or by two ("Lu").
    init(category: String) {
        var ranges: [Range<UInt32>] = []
        for (name, ofCategory) in zip(GeneralCategory.names, Self.rangesByCategory)
        where name.utf8.starts(with: category.utf8) {
            ranges += ofCategory
        }
        self.init(ranges)
    }

    private static let rangesByCategory: [[Range<UInt32>]] = {
        var ranges = [[Range<UInt32>]](repeating: [], count: GeneralCategory.names.count)
        GeneralCategory.forEachRun { range, value in ranges[value.number].append(range) }
        return ranges
    }()

    var isEmpty: Bool { bounds.isEmpty }

    var ranges: [Range<UInt32>] {
        stride(from: 0, to: bounds.count, by: 2).map { bounds[$0]..<bounds[$0 + 1] }
    }

    var inverted: CodePointSet {
        var result = CodePointSet([])
        result.bounds = bounds.first == 0 ? Array(bounds.dropFirst()) : [0] + bounds
        if result.bounds.last == Self.end {
            result.bounds.removeLast()
        } else {
            result.bounds.append(Self.end)
        }
        return result
    }

    func union(_ other: CodePointSet) -> CodePointSet { CodePointSet(ranges + other.ranges) }

    func intersection(_ other: CodePointSet) -> CodePointSet {
        inverted.union(other.inverted).inverted
    }

    func contains(_ codePoint: UInt32) -> Bool {
        var (low, high) = (0, bounds.count)
        while low < high {
            let middle = (low + high) / 2
            if bounds[middle] <= codePoint { low = middle + 1 } else { high = middle }
        }
        return low % 2 == 1
    }

    /// The set and all that differ from a member only in case.
    var ignoringCase: CodePointSet {
        var added: [Range<UInt32>] = []
        for group in CaseVariants.groups where group.contains(where: contains) {
            added += group.map { $0..<($0 + 1) }
        }
        return CodePointSet(ranges + added)
    }
}

/// Code points that are one letter in different cases, among them the long s with "s" and the Kelvin sign with "k".
private enum CaseVariants {
    static let groups: [[UInt32]] = {
        var members: [UInt32: [UInt32]] = [:]
        func only(_ text: String) -> UInt32? {
            text.unicodeScalars.count == 1 ? text.unicodeScalars.first?.value : nil
        }
        for range in CodePointSet(where: { $0.isIn("Lu") || $0.isIn("Ll") || $0.isIn("Lt") }).ranges {
            for codePoint in range {
                guard let scalar = Unicode.Scalar(codePoint),
                    let upper = only(scalar.properties.uppercaseMapping).flatMap(Unicode.Scalar.init),
                    let folded = only(upper.properties.lowercaseMapping)
                else { continue }
                members[folded, default: []].append(codePoint)
            }
        }
        return members.values.filter { $0.count > 1 }
    }()
}

/// Constant-time membership in many sets: 256 code points a block, equal blocks stored once for all of them.
struct CodePointBitmaps: Sendable {
    private(set) var count = 0
    /// For each set, the block of each 256 code points.
    private(set) var blocks: [UInt16] = []
    /// Four words for each block.
    private(set) var words: [UInt64] = []
    private var blockNumbers: [[UInt64]: UInt16] = [:]
    private var numberOfSet: [[UInt32]: Int] = [:]

    static let blocksPerSet = Int(CodePointSet.end / 256)
    /// So many blocks a number can name.
    private static let maximumBlocks = 1 << 16

    /// The number of a set, added unless an equal one is there; nil when there is no more room.
    mutating func number(of set: CodePointSet) -> Int? {
        if let number = numberOfSet[set.bounds] { return number }
        guard words.count / 4 + Self.blocksPerSet < Self.maximumBlocks else { return nil }
        let bounds = set.bounds
        var next = 0
        for start in stride(from: UInt32(0), to: CodePointSet.end, by: 256) {
            while next < bounds.count, bounds[next] <= start { next += 1 }
            var block = [UInt64](repeating: next % 2 == 1 ? .max : 0, count: 4)
            if next < bounds.count, bounds[next] < start + 256 {
                for offset in UInt32(0)..<256 {
                    while next < bounds.count, bounds[next] <= start + offset { next += 1 }
                    let bit: UInt64 = 1 << UInt64(offset & 63)
                    if next % 2 == 1 {
                        block[Int(offset >> 6)] |= bit
                    } else {
                        block[Int(offset >> 6)] &= ~bit
                    }
                }
            }
            let number = blockNumbers[block] ?? UInt16(words.count / 4)
            if blockNumbers.updateValue(number, forKey: block) == nil { words += block }
            blocks.append(number)
        }
        numberOfSet[bounds] = count
        count += 1
        return count - 1
    }
}

/// The bitmaps of a program while it runs.
struct CodePointLookup {
    let blocks: UnsafeBufferPointer<UInt16>
    let words: UnsafeBufferPointer<UInt64>

    /// The bytes of the character at `position` when it is in the set, otherwise 0. A byte that is not part of valid
    /// UTF-8 counts as U+FFFD.
    @inline(__always)
    func length(
        ofMemberOf set: Int, in bytes: UnsafeBufferPointer<UInt8>, at position: Int, end: Int
    ) -> Int {
        let byte = bytes[position]
        if byte < 0x80 { return contains(UInt32(byte), set) ? 1 : 0 }
        let scalar = decodeScalar(bytes, at: position, end: end)
        let codePoint = scalar.codePoint < CodePointSet.end ? scalar.codePoint : 0xFFFD
        return contains(codePoint, set) ? scalar.length : 0
    }

    @inline(__always)
    private func contains(_ codePoint: UInt32, _ set: Int) -> Bool {
        let block = Int(blocks[set * CodePointBitmaps.blocksPerSet + Int(codePoint >> 8)])
        return words[4 * block + Int(codePoint >> 6 & 3)] >> UInt64(codePoint & 63) & 1 != 0
    }
}
