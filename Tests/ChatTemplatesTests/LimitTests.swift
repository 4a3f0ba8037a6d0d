// Templates that recurse, loop or grow without end are stopped, and no mutilated template can crash us.

import FileSupport
import Testing

@testable import ChatTemplates

@Suite("Untrusted templates")
struct LimitTests {
    private func problem(_ source: String, work: Int = 100_000) -> String {
        do {
            var template = try ChatTemplate(source: source, location: "t")
            template.limits.work = work
            template.limits.stringBytes = 1 << 20
            _ = try template.rendered(
                context: JSONObject([
                    ("deep", (0..<90).reduce(JSONValue.null) { inner, _ in .array([inner]) })
                ]))
            return "nothing"
        } catch {
            return error.problem
        }
    }

    @Test(
        "Runaway templates are stopped",
        arguments: [
            "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
            "{% macro f() %}{% call g() %}x{% endcall %}{% endmacro %}{% macro g() %}{{ caller() }}{{ f() }}{% endmacro %}{{ f() }}",
            "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
            "{{ 'x' * 1000000000000 }}", "{{ [1] * 1000000000000 }}", "{{ 'xy' * 9223372036854775807 }}",
            "{% set ns = namespace(s='x') %}{% for i in range(100) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
            "{% set ns = namespace(s=[1]) %}{% for i in range(100) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
            "{% set ns = namespace(s=[]) %}{% for i in range(90000) %}{% set ns.s = [ns.s] %}{% endfor %}",
            "{% set ns = namespace(s=[1]) %}{% for i in range(90) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s }}",
            "{% set ns = namespace(s=[1]) %}{% for i in range(90) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s|tojson }}",
            "{% set ns = namespace(s=[1], t=[1]) %}{% for i in range(90) %}{% set ns.s = [ns.s, ns.s] %}{% set ns.t = [ns.t, ns.t] %}{% endfor %}{{ ns.s == ns.t }}",
            "{% set ns = namespace() %}{% set ns.self = ns %}{{ ns }}",
            "{{ '%1000000000d' % 1 }}", "{{ '%99999999999999999999d' % 1 }}",
            "{{ 'a'.center(1000000000000) }}",
            "{{ 'aaaaaaaaaa'.replace('', 'b' * 1000000) }}", "{{ 'a'|indent(1000000000, true) }}",
            "{{ [1]|tojson(indent=1000000000) }}", "{{ range(9223372036854775807) }}",
            "{{ '\t'.expandtabs(9223372036854775807) }}", "{{ [1]|batch(9223372036854775807, 'x')|list }}",
            "{% for i in range(99999) %}{{ 'a' * 1000 }}{% endfor %}",
            "{% set x = 'ab' * 100000 %}{{ x.split('')|length if false else x|list|map('upper')|join(x) }}",
            "{{ 9223372036854775807 + 1 }}", "{{ 2 ** 64 }}", "{{ -9223372036854775807 - 2 }}",
            "{{ (-9223372036854775807 - 1) // -1 }}", "{{ (-9223372036854775807 - 1)|abs }}",
        ])
    func runaway(source: String) {
        #expect(problem(source) != "nothing")
    }

    @Test("A chain of namespaces of any length is freed without recursion")
    func namespaceChain() {
        let source =
            "{% set ns = namespace() %}{% for i in range(20000) %}{% set ns.n = namespace(n=ns.n) %}{% endfor %}"
        #expect(problem(source, work: 2_000_000) == "nothing")
    }

    @Test(
        "Deeply nested source is refused",
        arguments: [
            String(repeating: "(", count: 4000), "{{ " + String(repeating: "(", count: 4000),
            "{{ " + String(repeating: "[", count: 4000),
            "{{ " + String(repeating: "not ", count: 4000) + "1 }}",
            "{{ " + String(repeating: "-", count: 4000) + "1 }}",
            "{{ 1" + String(repeating: " + 1", count: 4000) + " }}",
            "{{ x" + String(repeating: ".a", count: 4000) + " }}",
            "{{ x" + String(repeating: "|trim", count: 4000) + " }}",
            "{{ x" + String(repeating: " if x else y", count: 4000) + " }}",
            String(repeating: "{% if 1 %}", count: 4000),
            String(repeating: "{% for x in y %}", count: 4000),
            "{% set " + String(repeating: "(", count: 4000),
            "{{ 1 is" + String(repeating: " odd", count: 1000),
        ])
    func deepSource(source: String) {
        #expect(source.hasPrefix("(") || problem(source) != "nothing")
    }

    @Test("Values may nest as deeply as the limit allows, and deeper ones are errors")
    func deepValues() {
        #expect(problem("{{ deep }}{{ deep|tojson }}{{ deep == deep }}") == "nothing")
        #expect(problem("{% set x = [[[[[[[[[[[deep]]]]]]]]]]] %}").contains("nest more than"))
    }

    @Test("Mutilated templates never crash")
    func fuzz() throws {
        var random = SeededGenerator(state: 7)
        let sources =
            Set(try GoldenCase.conversations().map(\.source)).sorted()
            + (try GoldenCase.expressions().map(\.source))
        let contexts = try GoldenCase.conversations().map(\.context)
        let fragments = [
            "{%", "%}", "{{", "}}", "{#", "-", "+", "(", "[", "|", "'", ".", "if", "for", "set", "\n", "é",
            "9", "in",
        ]
        for round in 0..<1200 {
            var scalars = Array(sources[round % sources.count].unicodeScalars)
            for _ in 0...(random.next() % 4) where !scalars.isEmpty {
                let place = Int(random.next() % UInt64(scalars.count))
                switch random.next() % 4 {
                case 0: scalars.remove(at: place)
                case 1: scalars.removeSubrange(place..<min(scalars.count, place + Int(random.next() % 20)))
                case 2:
                    let fragment = fragments[Int(random.next() % UInt64(fragments.count))]
                    scalars.insert(contentsOf: fragment.unicodeScalars, at: place)
                default:
                    let other = Int(random.next() % UInt64(scalars.count))
                    scalars.swapAt(place, other)
                }
            }
            guard var template = try? ChatTemplate(source: String(scalars: scalars), location: "t") else {
                continue
            }
            template.limits.work = 20_000
            _ = try? template.rendered(context: contexts[round % contexts.count])
        }
    }
}

/// A small generator with a seed, so that a failure can be repeated.
private struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return (state ^ (state >> 33)) >> 1
    }
}
