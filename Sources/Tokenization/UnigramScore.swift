// Scores of Unigram tokens as Hugging Face tokenizers reads them from a file.

extension Double {
    private static let powersOfTen = (0...308).map { Double("1e\($0)") ?? .infinity }

    /// What Hugging Face tokenizers reads where a file has the shortest decimal form of this number.
    ///
    /// It takes the digits, rounded to a double, and multiplies or divides by a power of ten. For a quarter of all scores that
    /// is a neighbour of the nearest double, and such a bit decides between ways to write a text that are equally good.
    var asTokenizersReadIt: Double {
        var digits: UInt64 = 0
        var exponent = 0
        var isFraction = false
        var text = magnitude.description.utf8[...]
        while let byte = text.popFirst() {
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"):
                let (product, isTooLarge) = digits.multipliedReportingOverflow(by: 10)
                let (sum, isTooLargeNow) = product.addingReportingOverflow(UInt64(byte - UInt8(ascii: "0")))
                guard !isTooLarge, !isTooLargeNow else { return self }
                digits = sum
                if isFraction { exponent -= 1 }
            case UInt8(ascii: "."):
                isFraction = true
            case UInt8(ascii: "e"):
                guard let given = Int(Substring(text)) else { return self }
                exponent += given
                text = text[text.endIndex...]
            default:
                return self
            }
        }
        guard Self.powersOfTen.indices.contains(abs(exponent)) else { return self }
        let power = Self.powersOfTen[abs(exponent)]
        let read = exponent < 0 ? Double(digits) / power : Double(digits) * power
        return sign == .minus ? -read : read
    }
}
