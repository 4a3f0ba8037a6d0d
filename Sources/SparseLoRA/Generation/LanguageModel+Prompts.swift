// Prompts from data files: what the model is asked, without the answer.

internal import ChatTemplates
public import FileSupport
internal import Tokenization
internal import Training

extension LanguageModel {
    /// The prompts of a data file's records, as token ids.
    ///
    /// A conversation's last turn is left out when it is the assistant's; a record with only `prompt` needs no
    /// completion.
    /// - Parameters:
    ///   - path: a data file of any format that has prompts.
    ///   - raw: tokenise prompts as plain text instead of asking them through the chat template.
    /// - Throws: `InputError` with the line of a record without a prompt.
    public func prompts(fromFile path: String, raw: Bool = false) throws(InputError) -> [[Int32]] {
        var prompts: [[Int32]] = []
        try DatasetFile.forEachRecord(in: path) { record throws(InputError) in
            prompts.append(try prompt(of: record, raw: raw))
        }
        return prompts
    }

    /// The prompt of one record.
    package func prompt(of record: DatasetRecord, raw: Bool = false) throws(InputError) -> [Int32] {
        if let text = record.fields["prompt"]?.stringValue, record.fields["messages"] == nil {
            return raw || chatTemplate == nil
                ? tokenizer.encodeBeginning(text)
                : try promptTokens(for: [ChatMessage(role: "user", content: text)])
        }
        var fields = record.fields
        // The reader of training data insists on an answer, which a question need not have.
        if fields["instruction"] != nil, fields["output"] == nil { fields["output"] = .string("") }
        let location = record.location
        guard let format = DatasetFormat.detected(in: fields) else {
            throw InputError(
                location, "there is no prompt in this record",
                advice: "Give \"messages\", \"prompt\" or \"instruction\".")
        }
        let example = try Example(
            DatasetRecord(fields: fields, location: location), format: format, needsAnswer: false)
        switch example.content {
        case .chat(var conversation):
            if conversation.messages.last?.role == "assistant" { conversation.messages.removeLast() }
            return try promptTokens(for: conversation)
        case .instruction(let instruction, let input, _, let system):
            guard chatTemplate != nil, !raw else {
                return tokenizer.encodeBeginning(
                    ExampleEncoder.plainPrompt(instruction, input: input, system: system))
            }
            return try promptTokens(
                for: ExampleEncoder.question(instruction, input: input, system: system))
        case .completion(let prompt, _):
            return tokenizer.encodeBeginning(prompt)
        case .text:
            throw InputError(location, "plain text has no prompt to answer")
        }
    }
}
