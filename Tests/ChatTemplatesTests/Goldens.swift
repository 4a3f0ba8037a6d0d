// Reads the goldens that tools/goldens/make_template_goldens.py wrote.

import FileSupport
import Foundation

@testable import ChatTemplates

/// One template, its context, and what Python's Jinja made of them.
struct GoldenCase: CustomStringConvertible, Sendable {
    let name: String
    let source: String
    let context: JSONObject
    let expected: JSONValue

    var description: String { name }

    private static func read(_ file: String) throws -> JSONValue {
        let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("Goldens/\(file)").path
        let bytes = Array(try Data(contentsOf: URL(fileURLWithPath: path)))
        return try JSONParser.parse(bytes, location: path)
    }

    /// Templates of a line or a few, each trying one thing.
    static func expressions() throws -> [GoldenCase] {
        let file = try read("expressions.json")
        let context = file["context"]?.objectValue ?? JSONObject()
        return (file["cases"]?.arrayValue ?? []).map {
            let source = $0["template"]?.stringValue ?? ""
            return GoldenCase(name: source, source: source, context: context, expected: $0)
        }
    }

    /// Whole chat templates with every conversation.
    static func conversations() throws -> [GoldenCase] {
        let file = try read("conversations.json")
        let conversations = file["conversations"]?.arrayValue ?? []
        return (file["templates"]?.arrayValue ?? []).flatMap { template in
            (template["results"]?.arrayValue ?? []).map { result in
                let index = result["conversation"]?.integerValue ?? 0
                let context = JSONObject([
                    ("messages", conversations[index]),
                    ("tools", result["tools"] == .bool(true) ? file["tools"] ?? .null : .null),
                    ("documents", .null),
                    ("add_generation_prompt", result["prompt"] ?? .null),
                    ("bos_token", .string("<s>")),
                    ("eos_token", .string("</s>")),
                ])
                return GoldenCase(
                    name: "\(template["name"]?.stringValue ?? ""), conversation \(index)",
                    source: template["source"]?.stringValue ?? "", context: context, expected: result)
            }
        }
    }

    /// What our interpreter makes of it, in the golden's terms.
    func outcome() -> Outcome {
        do {
            var template = try ChatTemplate(source: source, location: "t")
            // The time of the goldens.
            template.clock = { 1_783_166_400 }
            let rendered = try template.rendered(context: context)
            return .text(rendered.text, spans: rendered.generationSpans)
        } catch {
            return .failure(error)
        }
    }

    enum Outcome {
        case text(String, spans: [Range<Int>])
        case failure(InputError)
    }

    /// What differs from the golden; nil when nothing does.
    func difference() -> String? {
        let outcome = outcome()
        switch (outcome, expected["text"]?.stringValue) {
        case (.text(let text, let spans), let wanted?):
            if Array(text.utf8) != Array(wanted.utf8) {
                return
                    "\(name.debugDescription)\n  expected \(wanted.debugDescription)\n  found    \(text.debugDescription)"
            }
            let wantedSpans = expected["spans"]?.arrayValue ?? []
            let found = spans.map { JSONValue.array([.integer($0.lowerBound), .integer($0.upperBound)]) }
            return found == wantedSpans
                ? nil : "\(name.debugDescription): spans \(found), expected \(wantedSpans)"
        case (.text(let text, _), nil):
            return "\(name.debugDescription): expected an error, found \(text.debugDescription)"
        case (.failure(let error), let wanted?):
            return "\(name.debugDescription): expected \(wanted.debugDescription), found \(error)"
        case (.failure(let error), nil):
            return errorDifference(error)
        }
    }

    /// Messages that template authors write or know must be kept; the line of a syntax error must agree.
    private func errorDifference(_ error: InputError) -> String? {
        let message = expected["message"]?.stringValue ?? ""
        switch expected["error"]?.stringValue {
        case "raised", "undefined", "security":
            return error.problem.hasSuffix(": \(message)") ? nil : "\(name): \(error), expected \(message)"
        case "syntax":
            let line = expected["line"]?.integerValue ?? 0
            return error.location.contains("line \(line) ") ? nil : "\(name): \(error), expected line \(line)"
        default:
            return error.location.contains("line") ? nil : "\(name): \(error) has no line"
        }
    }
}
