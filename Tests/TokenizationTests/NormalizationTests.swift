// Unicode normalisation where Foundation's own is not enough.

import Testing

@testable import Tokenization

struct NormalizationTests {
    @Test(
        "What compatibility mapping makes is ordered and composed like other text",
        arguments: [
            ("\u{FF76}\u{FF9E}", "\u{30AC}", "\u{30AB}\u{3099}"),
            ("\u{FF8A}\u{FF9F}", "\u{30D1}", "\u{30CF}\u{309A}"),
            ("\u{A8}\u{FF9E}", " \u{3099}\u{308}", " \u{3099}\u{308}"),
            ("\u{212B}\u{FB01}\u{2460}", "\u{C5}fi1", "A\u{30A}fi1"),
        ])
    func compatibility(text: String, composed: String, decomposed: String) {
        for (form, expected) in [(Normalizer.Form.nfkc, composed), (.nfkd, decomposed)] {
            let result = Normalizer(steps: [.unicode(form)]).normalized(text)
            #expect(Array(result.utf8) == Array(expected.utf8), "\(form) of \(text.debugDescription)")
        }
    }
}
