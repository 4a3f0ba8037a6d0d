// The names that stand in \p{...}: general categories, a few properties, and the scripts that tokenizers split by.

extension CodePointSet {
    /// A property by its name, of which case, spaces, "-" and "_" do not matter; nil for one not known here.
    init?(property name: String) {
        let name = String(name.lowercased().unicodeScalars.filter { !" -_".unicodeScalars.contains($0) })
        if let set = Self.properties[name] {
            self = set
        } else if let category = GeneralCategory.names.first(where: { $0.lowercased() == name })
            ?? Self.groups.first(where: { $0.lowercased() == name })
        {
            self.init(category: category)
        } else if let category = Self.longNames[name] {
            self.init(category: category)
        } else if let ranges = Self.scripts[name] {
            self.init(ranges)
        } else {
            return nil
        }
    }

    private static let properties: [String: CodePointSet] = [
        "any": .all, "space": .space, "whitespace": .space, "word": .word, "digit": .digit,
    ]

    private static let groups = ["L", "M", "N", "P", "S", "Z", "C"]

    private static let longNames = [
        "letter": "L", "uppercaseletter": "Lu", "lowercaseletter": "Ll", "titlecaseletter": "Lt",
        "modifierletter": "Lm", "otherletter": "Lo", "mark": "M", "nonspacingmark": "Mn", "spacingmark": "Mc",
        "enclosingmark": "Me", "number": "N", "decimalnumber": "Nd", "letternumber": "Nl",
        "othernumber": "No",
        "punctuation": "P", "connectorpunctuation": "Pc", "dashpunctuation": "Pd", "openpunctuation": "Ps",
        "closepunctuation": "Pe", "initialpunctuation": "Pi", "finalpunctuation": "Pf",
        "otherpunctuation": "Po", "symbol": "S", "mathsymbol": "Sm", "currencysymbol": "Sc",
        "modifiersymbol": "Sk", "othersymbol": "So", "separator": "Z", "spaceseparator": "Zs",
        "lineseparator": "Zl", "paragraphseparator": "Zp", "other": "C", "control": "Cc", "format": "Cf",
    ]

    /// Unicode 16.0.0, Scripts.txt.
    private static let scripts: [String: [Range<UInt32>]] = [
        "han": [
            0x2E80..<0x2E9A, 0x2E9B..<0x2EF4, 0x2F00..<0x2FD6, 0x3005..<0x3006, 0x3007..<0x3008,
            0x3021..<0x302A, 0x3038..<0x303C, 0x3400..<0x4DC0, 0x4E00..<0xA000, 0xF900..<0xFA6E,
            0xFA70..<0xFADA, 0x16FE2..<0x16FE4, 0x16FF0..<0x16FF2, 0x20000..<0x2A6E0, 0x2A700..<0x2B73A,
            0x2B740..<0x2B81E, 0x2B820..<0x2CEA2, 0x2CEB0..<0x2EBE1, 0x2EBF0..<0x2EE5E, 0x2F800..<0x2FA1E,
            0x30000..<0x3134B, 0x31350..<0x323B0,
        ],
        "hangul": [
            0x1100..<0x1200, 0x302E..<0x3030, 0x3131..<0x318F, 0x3200..<0x321F, 0x3260..<0x327F,
            0xA960..<0xA97D, 0xAC00..<0xD7A4, 0xD7B0..<0xD7C7, 0xD7CB..<0xD7FC, 0xFFA0..<0xFFBF,
            0xFFC2..<0xFFC8, 0xFFCA..<0xFFD0, 0xFFD2..<0xFFD8, 0xFFDA..<0xFFDD,
        ],
        "hiragana": [
            0x3041..<0x3097, 0x309D..<0x30A0, 0x1B001..<0x1B120, 0x1B132..<0x1B133, 0x1B150..<0x1B153,
            0x1F200..<0x1F201,
        ],
        "katakana": [
            0x30A1..<0x30FB, 0x30FD..<0x3100, 0x31F0..<0x3200, 0x32D0..<0x32FF, 0x3300..<0x3358,
            0xFF66..<0xFF70, 0xFF71..<0xFF9E, 0x1AFF0..<0x1AFF4, 0x1AFF5..<0x1AFFC, 0x1AFFD..<0x1AFFF,
            0x1B000..<0x1B001, 0x1B120..<0x1B123, 0x1B155..<0x1B156, 0x1B164..<0x1B168,
        ],
    ]
}
