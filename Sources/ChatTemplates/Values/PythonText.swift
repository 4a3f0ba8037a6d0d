// Strings as Python sees them: sequences of code points, compared exactly, never by grapheme or canonical form.

extension String {
    /// Equality of code points; `==` would call differently composed texts equal.
    func isIdentical(to other: String) -> Bool {
        utf8.count == other.utf8.count && utf8.elementsEqual(other.utf8)
    }

    init(scalars: some Sequence<Unicode.Scalar>) {
        var view = String.UnicodeScalarView()
        view.append(contentsOf: scalars)
        self.init(view)
    }

    /// Bytes cut at code point boundaries, so always valid UTF-8.
    init(bytes: some Collection<UInt8>) { self.init(decoding: bytes, as: UTF8.self) }

    /// Python's `len`: code points.
    var scalarCount: Int { unicodeScalars.count }
}

extension Unicode.Scalar {
    /// Python's `str.isspace` for one code point; also what `\s` matches in its regular expressions.
    var isPythonWhitespace: Bool {
        switch value {
        case 0x09...0x0D, 0x1C...0x20, 0x85, 0xA0, 0x1680, 0x2000...0x200A, 0x2028, 0x2029, 0x202F, 0x205F,
            0x3000:
            true
        default: false
        }
    }

    /// Where Python's `splitlines` breaks.
    var isPythonLineBreak: Bool {
        switch value {
        case 0x0A...0x0D, 0x1C...0x1E, 0x85, 0x2028, 0x2029: true
        default: false
        }
    }
}

/// Operations of Python's `str` on code points and bytes.
enum PythonText {
    /// Removes code points at the ends while `matches` holds.
    static func strip(
        _ text: String, leading: Bool = true, trailing: Bool = true, where matches: (Unicode.Scalar) -> Bool
    ) -> String {
        var slice = text.unicodeScalars[...]
        if leading { slice = slice.drop(while: matches) }
        if trailing {
            while let last = slice.last, matches(last) { slice.removeLast() }
        }
        return String(slice)
    }

    /// Python's `strip`, `lstrip`, `rstrip`: whitespace, or any code point of `characters`.
    static func strip(
        _ text: String, characters: String?, leading: Bool = true, trailing: Bool = true
    ) -> String {
        guard let characters else {
            return strip(text, leading: leading, trailing: trailing, where: \.isPythonWhitespace)
        }
        let set = Set(characters.unicodeScalars)
        return strip(text, leading: leading, trailing: trailing) { set.contains($0) }
    }

    /// Byte offsets at which `needle` occurs, without overlaps. UTF-8 needs no care for boundaries here. An empty
    /// needle occurs nowhere: Python's rules for it differ by method and are applied there.
    static func occurrences(of needle: [UInt8], in text: [UInt8], limit: Int = .max) -> [Int] {
        guard let first = needle.first, needle.count <= text.count, limit > 0 else { return [] }
        var found: [Int] = []
        var position = 0
        while position <= text.count - needle.count {
            if text[position] == first,
                text[position..<position + needle.count].elementsEqual(needle)
            {
                found.append(position)
                if found.count == limit { break }
                position += needle.count
            } else {
                position += 1
            }
        }
        return found
    }

    static func contains(_ text: String, _ needle: String) -> Bool {
        needle.isEmpty || !occurrences(of: Array(needle.utf8), in: Array(text.utf8), limit: 1).isEmpty
    }

    /// Python's `splitlines`.
    static func lines(_ text: String, keepingEnds: Bool = false) -> [String] {
        var lines: [String] = []
        let scalars = text.unicodeScalars
        var start = scalars.startIndex
        var index = start
        while index < scalars.endIndex {
            let scalar = scalars[index]
            var next = scalars.index(after: index)
            if scalar.isPythonLineBreak {
                if scalar == "\r", next < scalars.endIndex, scalars[next] == "\n" {
                    next = scalars.index(after: next)
                }
                lines.append(String(scalars[start..<(keepingEnds ? next : index)]))
                start = next
            }
            index = next
        }
        if start < scalars.endIndex { lines.append(String(scalars[start...])) }
        return lines
    }

    /// Python's `split()` without a separator: runs of whitespace separate, at most `limit` cuts.
    static func words(_ text: String, limit: Int = .max) -> [String] {
        var words: [String] = []
        var rest = text.unicodeScalars[...].drop(while: \.isPythonWhitespace)
        while !rest.isEmpty {
            if words.count == limit {
                words.append(String(rest))
                break
            }
            let word = rest.prefix { !$0.isPythonWhitespace }
            words.append(String(word))
            rest = rest[word.endIndex...].drop(while: \.isPythonWhitespace)
        }
        return words
    }
}
