// A template and conversations in one JSON object, for comparing our renderings with other programs'.

package import FileSupport

/// What `sparselora render-template` reads and writes, one JSON object a line:
///
///     {"template": "…", "now": 1783170309, "contexts": [{"messages": […], "tools": …, "bos_token": "<s>", …}, …]}
///     {"results": [{"text": "…", "spans": [[12, 20]]}, {"error": "…", "raised": false}]}
///
/// `now` is the time for `strftime_now` in seconds since 1970; spans are the UTF-8 ranges in `{% generation %}` blocks;
/// `raised` says that the words of the error are the template's own.
package enum RenderRequest {
    /// The answer to one request.
    /// - Throws: `InputError` when the request is not of this form; what a template does wrong is part of the answer.
    package static func answer(_ request: JSONValue) throws(InputError) -> JSONValue {
        guard let source = request["template"]?.stringValue, let contexts = request["contexts"]?.arrayValue,
            let now = request["now"]?.integerValue
        else {
            throw InputError(
                "request", "expected a string \"template\", an integer \"now\" and a list \"contexts\"")
        }
        var results: [JSONValue] = []
        do {
            var template = try ChatTemplate(source: source, location: "template")
            template.clock = { now }
            for context in contexts { results.append(try result(of: template, context)) }
        } catch {
            results = contexts.map { _ in failure(error) }
        }
        return .object(JSONObject([("results", .array(results))]))
    }

    private static func result(
        of template: ChatTemplate, _ context: JSONValue
    ) throws(InputError) -> JSONValue {
        var variables = context.objectValue ?? JSONObject()
        let objects = variables["messages"]?.arrayValue?.compactMap(\.objectValue)
        guard let messages = objects?.compactMap(ChatMessage.init(members:)) else {
            throw InputError("request", "expected a list \"messages\" of objects with a string \"role\"")
        }
        let (tools, prompting) = (variables["tools"], variables["add_generation_prompt"])
        for name in ["messages", "tools", "add_generation_prompt"] { variables[name] = nil }
        do {
            let chat = try template.rendered(
                messages: messages, tools: tools, addGenerationPrompt: prompting == .bool(true),
                variables: variables)
            let spans = chat.generationSpans.map {
                JSONValue.array([.integer($0.lowerBound), .integer($0.upperBound)])
            }
            return .object(JSONObject([("text", .string(chat.text)), ("spans", .array(spans))]))
        } catch {
            return failure(error)
        }
    }

    private static func failure(_ error: InputError) -> JSONValue {
        let prefix = ChatTemplate.refusal
        let isRaised = error.problem.hasPrefix(prefix)
        let words =
            isRaised ? String(error.problem.unicodeScalars.dropFirst(prefix.unicodeScalars.count)) : ""
        return .object(
            JSONObject([
                ("error", .string(isRaised ? words : error.description)), ("raised", .bool(isRaised)),
            ]))
    }
}
