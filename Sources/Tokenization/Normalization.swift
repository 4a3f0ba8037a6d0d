// Normalisation of text before it is split.

import FileSupport
import Foundation

/// The normaliser of a model: what is done to each text between added tokens, in order.
struct Normalizer: Equatable, Sendable {
    enum Step: Equatable, Sendable {
        case unicode(Form)
        case lowercase
        case stripAccents
        /// White space at the ends of the text.
        case strip(left: Bool, right: Bool)
        /// Put before a text that is not empty.
        case prepend(String)
        case replace(Replacement)
        case precompiled(PrecompiledCharsmap)
    }

    enum Form: String, Sendable { case nfc = "NFC", nfd = "NFD", nfkc = "NFKC", nfkd = "NFKD" }

    var steps: [Step]

    static let none = Normalizer(steps: [])
    static let nfc = Normalizer(steps: [.unicode(.nfc)])

    func normalized(_ text: String) -> String {
        var result = Array(text.utf8)
        for step in steps { result = result.withUnsafeBufferPointer(step.applied) ?? result }
        return String(decoding: result, as: UTF8.self)
    }

    /// What `body` makes of the normalised form of `bytes`, and of where that starts: no more at the start of the text where a
    /// step takes that away. Bytes that are not valid UTF-8 stay as they are.
    func withNormalized(
        _ bytes: UnsafeBufferPointer<UInt8>, start: PartStart,
        _ body: (_ normalized: UnsafeBufferPointer<UInt8>, _ start: PartStart) -> PartStart
    ) -> PartStart {
        var result: [UInt8]?
        // Characters at the front that stem from the first one of the text.
        var leading = bytes.isEmpty ? 0 : 1
        let continues = start == .piece || start == .inside
        for step in continues ? steps.compactMap(\.forContinuation) : steps {
            func apply(to current: UnsafeBufferPointer<UInt8>) -> [UInt8]? {
                if start == .text { leading = step.leading(leading, of: current) }
                return step.applied(current)
            }
            // A step that changes nothing leaves the result of those before it.
            if let current = result {
                if let changed = current.withUnsafeBufferPointer(apply) { result = changed }
            } else {
                result = apply(to: bytes)
            }
        }
        let start = start == .text && leading == 0 ? .section : start
        if let result {
            return result.withUnsafeBufferPointer { body($0, start) }
        } else {
            return body(bytes, start)
        }
    }
}

/// Every match of a pattern becomes one text.
struct Replacement: Equatable, Sendable {
    let pattern: SplitPattern.Source
    let content: String
    private let replaced: Replaced

    private enum Replaced: Sendable {
        case bytes([UInt8])
        case matches(PatternProgram)
    }

    init(_ pattern: SplitPattern.Source, with content: String, location: String) throws(InputError) {
        self.pattern = pattern
        self.content = content
        replaced =
            switch pattern {
            case .literal(let text): .bytes(Array(text.utf8))
            case .regularExpression(let pattern): .matches(try PatternProgram(pattern, location: location))
            }
    }

    static func == (left: Replacement, right: Replacement) -> Bool {
        left.pattern == right.pattern && left.content.utf8.elementsEqual(right.content.utf8)
    }

    /// Nil where nothing matches.
    func applied(to bytes: UnsafeBufferPointer<UInt8>) -> [UInt8]? {
        var result: [UInt8] = []
        var copied = 0
        var isChanged = false
        forEachMatch(in: bytes) { match in
            if !isChanged { result.reserveCapacity(bytes.count + bytes.count / 2 + 16) }
            result += bytes[copied..<match.lowerBound]
            result += content.utf8
            copied = match.upperBound
            isChanged = true
            return true
        }
        guard isChanged else { return nil }
        result += bytes[copied...]
        return result
    }

    /// How many characters of the result stem from the first `leading` ones, which end at byte `end`: what replaces a match
    /// stands for the last character of it.
    func leading(_ leading: Int, endingAt end: Int, of bytes: UnsafeBufferPointer<UInt8>) -> Int {
        func count(_ range: Range<Int>) -> Int {
            bytes[range].count { $0 & 0xC0 != 0x80 }
        }
        var result = leading
        forEachMatch(in: bytes) { match in
            guard match.lowerBound < end else { return false }
            if match.upperBound <= end {
                result += content.unicodeScalars.count - count(match)
            } else {
                result -= count(match.lowerBound..<end)
            }
            return true
        }
        return result
    }

    /// Calls `body` with one match after another until it returns false.
    func forEachMatch(in bytes: UnsafeBufferPointer<UInt8>, _ body: (Range<Int>) -> Bool) {
        var position = 0
        switch replaced {
        case .bytes(let literal):
            guard let first = literal.first else { return }
            while position + literal.count <= bytes.count {
                let end = position + literal.count
                if bytes[position] == first, bytes[position..<end].elementsEqual(literal) {
                    guard body(position..<end) else { return }
                    position = end
                } else {
                    position += 1
                }
            }
        case .matches(let program):
            var matcher = PatternMatcher(program)
            while position <= bytes.count,
                let match = matcher.firstMatch(in: bytes, piece: 0..<bytes.count, from: position)
            {
                guard body(match) else { return }
                position = match.upperBound
                // Behind an empty match the next one is looked for a character further on.
                if match.isEmpty {
                    position +=
                        position < bytes.count
                        ? decodeScalar(bytes, at: position, end: bytes.count).length : 1
                }
            }
        }
    }
}

extension Normalizer.Step {
    /// What the step makes of a text; nil where it changes nothing.
    fileprivate func applied(_ bytes: UnsafeBufferPointer<UInt8>) -> [UInt8]? {
        switch self {
        case .unicode(let form):
            // All characters below U+0300, whose UTF-8 starts with less than 0xCC, are composed and stay so.
            let firstChanged: UInt8 = form == .nfc ? 0xCC : 0x80
            guard bytes.contains(where: { $0 >= firstChanged }) else { return nil }
            return mapText(bytes, unchanged: NormalizationData.unknown, form.normalized)
        case .lowercase:
            return mapText(bytes) { text in
                text.unicodeScalars.map(\.properties.lowercaseMapping).joined()
            }
        case .stripAccents:
            return mapText(bytes) { text in
                var kept = String.UnicodeScalarView()
                for scalar in text.unicodeScalars where !NormalizationData.marks.contains(scalar.value) {
                    kept.append(scalar)
                }
                return String(kept)
            }
        case .strip(let left, let right):
            return stripped(bytes, left: left, right: right)
        case .prepend(let prefix):
            return bytes.isEmpty ? nil : Array(prefix.utf8) + bytes
        case .replace(let replacement):
            return replacement.applied(to: bytes)
        case .precompiled(let charsmap):
            return charsmap.applied(to: bytes)
        }
    }

    /// What is left of the step for a text that continues another.
    fileprivate var forContinuation: Normalizer.Step? {
        switch self {
        case .prepend: nil
        case .strip(_, let right): right ? .strip(left: false, right: true) : nil
        case .unicode, .lowercase, .stripAccents, .replace, .precompiled: self
        }
    }

    /// How many characters of the step's result, counted from its front, stem from the first `leading` ones of the text.
    fileprivate func leading(_ leading: Int, of bytes: UnsafeBufferPointer<UInt8>) -> Int {
        guard !bytes.isEmpty else { return 0 }
        var front: [UInt32] = []
        var end = 0
        while front.count < leading, end < bytes.count {
            let scalar = decodeScalar(bytes, at: end, end: bytes.count)
            front.append(scalar.codePoint)
            end += scalar.length
        }
        switch self {
        case .unicode, .lowercase, .stripAccents:
            let changed = applied(UnsafeBufferPointer(rebasing: bytes[..<end]))
            return changed.map { String(decoding: $0, as: UTF8.self).unicodeScalars.count } ?? leading
        case .strip(let left, _):
            let isSpace = { CharacterClasses.shared.characterClass(of: $0) == CharacterClass.space }
            return left ? front.count - front.prefix(while: isSpace).count : leading
        case .prepend(let prefix): return leading + prefix.unicodeScalars.count
        case .replace(let replacement): return replacement.leading(leading, endingAt: end, of: bytes)
        // What replaces a character stands for it, and a removal at the very start goes unnoticed.
        case .precompiled: return leading
        }
    }

    private func stripped(_ bytes: UnsafeBufferPointer<UInt8>, left: Bool, right: Bool) -> [UInt8] {
        func isSpace(_ position: Int, _ end: Int) -> Bool {
            let codePoint = decodeScalar(bytes, at: position, end: end).codePoint
            return CharacterClasses.shared.characterClass(of: codePoint) == CharacterClass.space
        }
        var start = 0
        var end = bytes.count
        while left, start < end, isSpace(start, end) {
            start += decodeScalar(bytes, at: start, end: end).length
        }
        while right, let last = characterStart(bytes, before: end, from: start), isSpace(last, end) {
            end = last
        }
        return Array(bytes[start..<end])
    }

    /// Maps the stretches of valid UTF-8 between characters of a set.
    private func mapText(
        _ bytes: UnsafeBufferPointer<UInt8>, unchanged: CodePointSet? = nil, _ map: (String) -> String
    ) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count)
        var start = 0
        var position = 0
        func finishStretch() {
            if start < position {
                result += map(String(decoding: bytes[start..<position], as: UTF8.self)).utf8
            }
        }
        while position < bytes.count {
            let scalar = decodeScalar(bytes, at: position, end: bytes.count)
            if scalar.codePoint == DecodedScalar.invalid || unchanged?.contains(scalar.codePoint) == true {
                finishStretch()
                result += bytes[position..<(position + scalar.length)]
                start = position + scalar.length
            }
            position += scalar.length
        }
        finishStretch()
        return result
    }
}

extension Normalizer.Form {
    fileprivate func normalized(_ text: String) -> String {
        switch self {
        case .nfc: text.precomposedStringWithCanonicalMapping
        case .nfd: text.decomposedStringWithCanonicalMapping
        // Foundation leaves the marks of half-width kana where they come to stand: neither ordered nor composed.
        case .nfkc: text.decomposedStringWithCompatibilityMapping.precomposedStringWithCanonicalMapping
        case .nfkd: text.decomposedStringWithCompatibilityMapping.decomposedStringWithCanonicalMapping
        }
    }
}
