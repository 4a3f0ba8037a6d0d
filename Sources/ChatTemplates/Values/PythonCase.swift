// Upper, lower and title case as Python's `str` has them, from the Unicode properties of each code point.

extension PythonText {
    static func upper(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars { result += scalar.properties.uppercaseMapping }
        return result
    }

    static func lower(_ text: String) -> String {
        let scalars = Array(text.unicodeScalars)
        var result = ""
        for index in scalars.indices { result += lowercase(scalars, index) }
        return result
    }

    /// Python's `capitalize`: the first code point in title case, the rest in lower case.
    static func capitalize(_ text: String) -> String {
        let scalars = Array(text.unicodeScalars)
        var result = ""
        for index in scalars.indices {
            result += index == 0 ? scalars[0].properties.titlecaseMapping : lowercase(scalars, index)
        }
        return result
    }

    /// Python's `str.title`: a cased letter after an uncased one begins a word.
    static func title(_ text: String) -> String {
        let scalars = Array(text.unicodeScalars)
        var result = ""
        var insideWord = false
        for index in scalars.indices {
            let properties = scalars[index].properties
            result += insideWord ? lowercase(scalars, index) : properties.titlecaseMapping
            insideWord = properties.isCased
        }
        return result
    }

    /// Jinja's `title` filter: words are separated by spaces, hyphens and opening brackets only.
    static func titleWords(_ text: String) -> String {
        let openers: Set<Unicode.Scalar> = ["-", "(", "{", "[", "<"]
        var result = ""
        var word: [Unicode.Scalar] = []
        func flush() {
            guard let first = word.first else { return }
            result += first.properties.uppercaseMapping + lower(String(scalars: word.dropFirst()))
            word = []
        }
        for scalar in text.unicodeScalars {
            if scalar.isPythonWhitespace || openers.contains(scalar) {
                flush()
                result.unicodeScalars.append(scalar)
            } else {
                word.append(scalar)
            }
        }
        flush()
        return result
    }

    /// A capital sigma that ends a word has its own small letter.
    private static func lowercase(_ scalars: [Unicode.Scalar], _ index: Int) -> String {
        guard scalars[index] == "\u{03A3}" else { return scalars[index].properties.lowercaseMapping }
        let before = scalars[..<index].reversed().first { !$0.properties.isCaseIgnorable }
        let after = scalars[(index + 1)...].first { !$0.properties.isCaseIgnorable }
        let endsWord = before?.properties.isCased == true && after?.properties.isCased != true
        return endsWord ? "\u{03C2}" : "\u{03C3}"
    }
}
