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

extension LimitTests {
    /// JSON of any shape, now and then deep or long.
    private func anything(_ random: inout SeededGenerator, depth: Int = 0) -> JSONValue {
        let texts = [
            "", "user", "tool", "\u{0}", "</think>", "{{ x }}", "é\u{301}",
            String(repeating: "y", count: 5000),
        ]
        switch random.next() % (depth > 5 ? 5 : 8) {
        case 0: return .null
        case 1: return .bool(random.next() % 2 == 0)
        case 2: return .integer([0, -1, .max, .min, 9][Int(random.next() % 5)])
        case 3: return .number([0.5, -0.0, 1e300, .infinity, .nan][Int(random.next() % 5)])
        case 4: return .string(texts[Int(random.next() % UInt64(texts.count))])
        case 5: return (0..<80).reduce(.null) { inner, _ in .array([inner]) }
        case 6: return .array((0..<Int(random.next() % 4)).map { _ in anything(&random, depth: depth + 1) })
        default:
            var object = JSONObject()
            for name in ["role", "content", "tool_calls", "function", "name", "arguments", "text", "type"]
            where random.next() % 2 == 0 { object[name] = anything(&random, depth: depth + 1) }
            return .object(object)
        }
    }

    @Test("Conversations of any shape are rendered or refused, within the limits")
    func hostileConversations() throws {
        var random = SeededGenerator(state: 19)
        for source in Set(try GoldenCase.conversations().map(\.source)).sorted() {
            var template = try ChatTemplate(source: source, location: "t")
            template.limits.work = 20_000
            template.limits.stringBytes = 1 << 20
            for _ in 0..<6 {
                let messages = (0..<Int(1 + random.next() % 4)).map { _ in
                    var members = JSONObject([("role", anything(&random)), ("content", anything(&random))])
                    if random.next() % 2 == 0 { members["role"] = .string("assistant") }
                    if random.next() % 2 == 0 { members["tool_calls"] = anything(&random) }
                    if random.next() % 4 == 0 { members["thinking"] = anything(&random) }
                    return members
                }
                let tools = anything(&random)
                _ = try? template.rendered(
                    context: JSONObject([
                        ("messages", .array(messages.map(JSONValue.object))), ("tools", tools),
                    ]))
                let known = messages.compactMap(ChatMessage.init(members:))
                _ = try? template.rendered(Conversation(known, tools: tools, variables: messages[0]))
            }
        }
    }

    @Test("Trying out a template's conventions ends, whatever the template does")
    func hostileConventions() throws {
        let sources = [
            "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
            "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
            "{% set ns = namespace(s=messages|tojson) %}{% for i in range(100) %}{% set ns.s = ns.s + ns.s %}{% endfor %}{{ ns.s }}",
            "{{ messages[0].content.x.y }}", "{{ raise_exception('no') }}", "",
        ]
        let message = ChatMessage(
            role: "assistant",
            content: .array([.object(JSONObject([("type", .string("text")), ("text", .string("a"))]))]),
            extra: JSONObject([
                ("tool_calls", .array([.integer(1), .object(JSONObject([("arguments", .string("{"))]))]))
            ])
        )
        for source in sources {
            let conventions = TemplateConventions(of: try ChatTemplate(source: source, location: "t"))
            let found = conventions.applied(to: [message])
            #expect(found[0].content == .string("a"))
            #expect(found[0]["tool_calls"] == message["tool_calls"])
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
