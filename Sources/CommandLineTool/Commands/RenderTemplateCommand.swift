// sparselora render-template (hidden): what our chat templates make of conversations, for comparing with Jinja.

internal import ArgumentParser
internal import SparseLoRA

struct RenderTemplateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "render-template",
        abstract: "Answers requests to render chat templates, one JSON object a line from standard input.",
        shouldDisplay: false)

    func run() throws {
        try reportingFailures {
            while let line = readLine() {
                let request = try JSONParser.parse(Array(line.utf8), location: "standard input")
                print(try RenderRequest.answer(request).serialized())
            }
        }
    }
}
