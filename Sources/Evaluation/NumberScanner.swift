// Numbers as people write them in prose: 1,234.5 and $480 and -3 and 12%.

/// Finds the numbers of a text.
enum NumberScanner {
    /// The values of all numbers, in order.
    ///
    /// Commas between groups of three digits belong to a number, currency and percent signs do not change it, and a
    /// minus is a sign only where nothing stands before it that it could be subtracted from: "16-12" has no -12.
    static func numbers(in text: some StringProtocol) -> [Double] {
        var scanner = Scanner(bytes: Array(text.utf8))
        var numbers: [Double] = []
        while let number = scanner.next() { numbers.append(number) }
        return numbers
    }

    private struct Scanner {
        let bytes: [UInt8]
        var position = 0

        mutating func next() -> Double? {
            while position < bytes.count {
                let startsNumber =
                    isDigit(position) || (byte(position) == UInt8(ascii: ".") && isDigit(position + 1))
                if startsNumber, !isLetter(position - 1) {
                    let isNegative = hasSign(before: position)
                    if let value = magnitude() { return isNegative ? -value : value }
                } else {
                    position += 1
                }
            }
            return nil
        }

        /// Reads digits, groups, fraction and exponent from `position` on.
        private mutating func magnitude() -> Double? {
            var digits = ""
            let start = position
            takeDigits(into: &digits)
            // 1,234,567: one to three digits, then groups of exactly three.
            if position - start <= 3, position > start {
                while byte(position) == UInt8(ascii: ","), (1...3).allSatisfy({ isDigit(position + $0) }),
                    !isDigit(position + 4)
                {
                    position += 1
                    takeDigits(into: &digits)
                }
            }
            if byte(position) == UInt8(ascii: "."), isDigit(position + 1) {
                digits += digits.isEmpty ? "0." : "."
                position += 1
                takeDigits(into: &digits)
            }
            takeExponent(into: &digits)
            return Double(digits)
        }

        private mutating func takeDigits(into digits: inout String) {
            while isDigit(position) {
                digits.unicodeScalars.append(Unicode.Scalar(bytes[position]))
                position += 1
            }
        }

        /// `e5`, `E-3`; but not the e of "5 eggs" or "5e" alone.
        private mutating func takeExponent(into digits: inout String) {
            guard let letter = byte(position), letter | 0x20 == UInt8(ascii: "e") else { return }
            let hasSign =
                byte(position + 1).map { $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "+") } ?? false
            let first = position + (hasSign ? 2 : 1)
            guard isDigit(first) else { return }
            digits += byte(position + 1) == UInt8(ascii: "-") ? "e-" : "e"
            position = first
            takeDigits(into: &digits)
        }

        /// Whether a minus stands right before the number, perhaps with a currency sign between, and is not the one
        /// of a subtraction or a range.
        private func hasSign(before start: Int) -> Bool {
            var place = start - 1
            if byte(place) == UInt8(ascii: "$") { place -= 1 }
            if byte(place) == UInt8(ascii: "-") {
                place -= 1
            } else if place >= 2, bytes[place - 2...place].elementsEqual([0xE2, 0x88, 0x92]) {
                place -= 3  // U+2212, the minus of typeset text
            } else {
                return false
            }
            let isSubtracted =
                isDigit(place) || isLetter(place) || byte(place).map { ")]%$".utf8.contains($0) } ?? false
            return !isSubtracted
        }

        private func byte(_ index: Int) -> UInt8? { bytes.indices.contains(index) ? bytes[index] : nil }
        private func isDigit(_ index: Int) -> Bool { byte(index).map { (0x30...0x39).contains($0) } ?? false }
        private func isLetter(_ index: Int) -> Bool {
            byte(index).map { (0x61...0x7A).contains($0 | 0x20) || $0 == UInt8(ascii: "_") } ?? false
        }
    }
}
