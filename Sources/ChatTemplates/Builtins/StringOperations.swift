// Searching, splitting and padding strings by code points.

extension StringMethods {
    enum Side {
        case left, right, center
    }

    /// Python's `split` and `rsplit`; a negative limit means none.
    static func split(
        _ text: String, separator: String?, limit: Int, fromEnd: Bool
    ) throws(TemplateError) -> [String] {
        let limit = limit < 0 ? Int.max : limit
        guard let separator else {
            guard fromEnd, limit < .max else { return PythonText.words(text, limit: limit) }
            let reversed = PythonText.words(String(scalars: text.unicodeScalars.reversed()), limit: limit)
            return reversed.reversed().map { String(scalars: $0.unicodeScalars.reversed()) }
        }
        guard !separator.isEmpty else { throw TemplateError("empty separator") }
        let bytes = Array(text.utf8)
        let length = separator.utf8.count
        var cuts: [Int]
        if fromEnd, limit < .max {
            // Found from the end: "aaa".rsplit("aa", 1) cuts before the last two.
            let mirrored = PythonText.occurrences(
                of: separator.utf8.reversed(), in: bytes.reversed(), limit: limit)
            cuts = mirrored.reversed().map { bytes.count - $0 - length }
        } else {
            cuts = PythonText.occurrences(of: Array(separator.utf8), in: bytes, limit: limit)
        }
        cuts.append(bytes.count)
        var parts: [String] = []
        var start = 0
        for cut in cuts {
            parts.append(String(bytes: bytes[start..<cut]))
            start = min(cut + length, bytes.count)
        }
        return parts
    }

    static func partition(
        _ text: String, _ separator: String, fromEnd: Bool
    ) throws(TemplateError) -> [TemplateValue] {
        let parts = try split(text, separator: separator, limit: 1, fromEnd: fromEnd)
        let texts =
            parts.count == 2
            ? [parts[0], separator, parts[1]] : (fromEnd ? ["", "", text] : [text, "", ""])
        return texts.map(TemplateValue.string)
    }

    /// Python's `replace`. An empty `old` is found before every code point and at the end.
    static func replace(
        _ text: String, _ old: String, _ new: String, limit: Int, emptyLimitMeansNone: Bool = false,
        _ budget: RenderBudget
    ) throws(TemplateError) -> String {
        let limit = limit < 0 || (limit == 0 && !emptyLimitMeansNone) ? Int.max : limit
        if old.isEmpty {
            let scalars = Array(text.unicodeScalars)
            let places = min(scalars.count + 1, limit)
            try chargeReplacement(text, new, times: places, budget)
            var result = ""
            for index in 0...scalars.count {
                if index < places { result += new }
                if index < scalars.count { result.unicodeScalars.append(scalars[index]) }
            }
            return result
        }
        let bytes = Array(text.utf8)
        let places = PythonText.occurrences(of: Array(old.utf8), in: bytes, limit: limit)
        try chargeReplacement(text, new, times: places.count, budget)
        var result: [UInt8] = []
        var start = 0
        for place in places {
            result += bytes[start..<place]
            result += new.utf8
            start = place + old.utf8.count
        }
        result += bytes[start...]
        return String(bytes: result)
    }

    private static func chargeReplacement(
        _ text: String, _ new: String, times: Int, _ budget: RenderBudget
    ) throws(TemplateError) {
        let (added, overflow) = new.utf8.count.multipliedReportingOverflow(by: times)
        try budget.chargeString(bytes: overflow || added > Int.max / 2 ? .max : text.utf8.count + added)
    }

    /// The code points between two optional bounds, as a slice takes them, and where they begin.
    static func window(
        _ text: String, _ start: TemplateValue?, _ end: TemplateValue?
    ) throws(TemplateError) -> (ArraySlice<Unicode.Scalar>, Int) {
        let scalars = Array(text.unicodeScalars)
        func clamp(_ bound: Int) -> Int {
            min(max(bound < 0 ? bound + scalars.count : bound, 0), scalars.count)
        }
        let first = clamp(try start.integer("start") ?? 0)
        let last = clamp(try end.integer("end") ?? scalars.count)
        return (first <= last ? scalars[first..<last] : [], first)
    }

    static func find(_ text: String, _ given: [TemplateValue?], fromEnd: Bool) throws(TemplateError) -> Int {
        guard let needle = try given[0].string("sub") else { throw TemplateError("find() needs a string") }
        let (part, offset) = try window(text, given[1], given[2])
        if needle.isEmpty {
            let isBeyond = try (given[1].integer("start") ?? 0) > text.scalarCount
            return isBeyond ? -1 : offset + (fromEnd ? part.count : 0)
        }
        let bytes = Array(String(scalars: part).utf8)
        let byte: Int?
        if fromEnd {
            byte = PythonText.occurrences(of: needle.utf8.reversed(), in: bytes.reversed(), limit: 1).first
                .map { bytes.count - $0 - needle.utf8.count }
        } else {
            byte = PythonText.occurrences(of: Array(needle.utf8), in: bytes, limit: 1).first
        }
        guard let byte else { return -1 }
        return offset + String(bytes: bytes[..<byte]).scalarCount
    }

    static func hasAffix(
        _ text: String, _ given: [TemplateValue?], atEnd: Bool
    ) throws(TemplateError) -> Bool {
        let (part, _) = try window(text, given[1], given[2])
        var candidates = [given[0]]
        if case .tuple(let list) = given[0] { candidates = list.items.map(Optional.some) }
        for candidate in candidates {
            guard let affix = try candidate.string("prefix") else {
                throw TemplateError(
                    "\(atEnd ? "endswith" : "startswith")() needs a string or a tuple of strings")
            }
            let scalars = Array(affix.unicodeScalars)
            if atEnd ? part.suffix(scalars.count).elementsEqual(scalars) : part.starts(with: scalars) {
                return true
            }
        }
        return false
    }

    static func pad(
        _ text: String, width: Int, side: Side, with fill: String, _ budget: RenderBudget
    ) throws(TemplateError) -> String {
        let missing = width - text.scalarCount
        guard missing > 0 else { return text }
        try budget.chargeString(
            bytes: missing > Int.max / 8 ? .max : missing * fill.utf8.count + text.utf8.count)
        // Python puts the odd one of a centred text to the left when the width is odd.
        let before =
            switch side {
            case .left: 0
            case .right: missing
            case .center: missing / 2 + (missing & width & 1)
            }
        return String(repeating: fill, count: before) + text
            + String(repeating: fill, count: missing - before)
    }

    static func expandTabs(_ text: String, size: Int, _ budget: RenderBudget) throws(TemplateError) -> String
    {
        var result = ""
        var column = 0
        for scalar in text.unicodeScalars {
            if scalar == "\t" {
                let spaces = size > 0 ? size - column % size : 0
                try budget.chargeString(bytes: spaces)
                try budget.chargeString(bytes: result.utf8.count + spaces)
                result += String(repeating: " ", count: spaces)
                column += spaces
            } else {
                result.unicodeScalars.append(scalar)
                column = scalar == "\n" || scalar == "\r" ? 0 : column + 1
            }
        }
        return result
    }
}

extension PythonText {
    static func swapCase(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            let properties = scalar.properties
            result += properties.isUppercase ? properties.lowercaseMapping : properties.uppercaseMapping
        }
        return result
    }

    /// Python's `isdigit` and its kin: all code points are of the kind, and there is at least one.
    static func test(_ name: String, _ text: String) throws(TemplateError) -> Bool {
        let scalars = text.unicodeScalars
        let cased = scalars.filter { $0.properties.isCased }
        func all(_ matches: (Unicode.Scalar) -> Bool) -> Bool {
            !scalars.isEmpty && scalars.allSatisfy(matches)
        }
        switch name {
        case "isascii": return scalars.allSatisfy { $0.isASCII }
        case "isspace": return all(\.isPythonWhitespace)
        case "isdecimal": return all { $0.properties.numericType == .decimal }
        case "isdigit": return all { [.decimal, .digit].contains($0.properties.numericType) }
        case "isnumeric": return all { $0.properties.numericType != nil }
        case "isalpha": return all(isLetter)
        case "isalnum": return all { isLetter($0) || $0.properties.numericType != nil }
        case "islower": return !cased.isEmpty && cased.allSatisfy { $0.properties.isLowercase }
        case "isupper": return !cased.isEmpty && cased.allSatisfy { $0.properties.isUppercase }
        case "istitle": return !cased.isEmpty && title(text).isIdentical(to: text)
        default: throw TemplateError("the string method '\(name)' is not supported")
        }
    }

    private static func isLetter(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: true
        default: false
        }
    }
}
