// Agreement with Python's Jinja, set up as transformers sets it up.

import Testing

@Suite("Parity with Jinja")
struct GoldenTests {
    @Test("Every expression gives what Jinja gives")
    func expressions() throws {
        let cases = try GoldenCase.expressions()
        #expect(cases.count > 200)
        for golden in cases { #expect(golden.difference() == nil) }
    }

    @Test("Every template renders every conversation as Jinja does")
    func conversations() throws {
        let cases = try GoldenCase.conversations()
        #expect(cases.count > 200)
        for golden in cases { #expect(golden.difference() == nil) }
    }
}
