// Conversations: the template's text, and in it what the assistant says.

import ChatTemplates
import FileSupport
import Tokenization

/// Finds what the assistant says in the text of a conversation.
///
/// A template with `{% generation %}` blocks says itself what is trained. Otherwise the conversation is rendered piece
/// by piece: turn i begins where the text of the messages before it, with the generation prompt, ends, and it ends
/// where the text of the messages up to and including it ends. Both must be beginnings of the whole text; where a
/// template writes a turn differently once others follow, that is an error, never a guess.
///
/// Of a turn everything is trained up to and including the token that ends it, such as `<|im_end|>`. White space that
/// the template puts after that token, mostly a line end, is not: the model has stopped by then. A turn that no special
/// token ends is trained to its last character.
struct ConversationEncoder {
    let template: ChatTemplate
    let tokenizer: any TextEncoder

    func encode(
        _ messages: [ChatMessage], tools: JSONValue?, location: String
    ) throws(InputError) -> TokenizedExample {
        let whole = try render(messages[...], tools, prompting: false, location)
        let bytes = Array(whole.text.utf8)
        let spans: [Range<Int>]
        if template.marksGenerations {
            spans = whole.generationSpans
            guard spans.contains(where: { !$0.isEmpty }) else {
                throw InputError(
                    location, "the chat template marks nothing of this conversation as said by the assistant")
            }
        } else {
            spans = try self.spans(of: messages, tools, in: bytes, location)
        }
        var parts: [(tokens: [Int32], isLabelled: Bool)] = []
        var start = 0
        for span in spans {
            parts.append((tokens(bytes[start..<span.lowerBound]), false))
            parts.append((tokens(bytes[span]), true))
            start = span.upperBound
        }
        parts.append((tokens(bytes[start...]), false))
        return TokenizedExample(parts)
    }

    /// UTF-8 ranges of the text that are trained, ascending.
    private func spans(
        of messages: [ChatMessage], _ tools: JSONValue?, in text: [UInt8], _ location: String
    ) throws(InputError) -> [Range<Int>] {
        var spans: [Range<Int>] = []
        for (index, message) in messages.enumerated() where message.role == "assistant" {
            let before = try render(messages[..<index], tools, prompting: true, location, turn: index)
            let through =
                index == messages.count - 1
                ? text
                : Array(
                    try render(messages[...index], tools, prompting: false, location, turn: index).text.utf8)
            let start = before.text.utf8.count
            guard text.starts(with: before.text.utf8), text.starts(with: through), start <= through.count,
                start >= spans.last?.upperBound ?? 0
            else {
                throw InputError(
                    "\(location), turn \(index + 1)",
                    "the chat template writes this turn of the assistant differently when the conversation goes on, "
                        + "so it cannot be found in the whole text",
                    advice:
                        "Use a chat template that marks the assistant's text with {% generation %} blocks, "
                        + "or conversations that end with this turn")
            }
            spans.append(start..<terminated(text[start..<through.count]))
        }
        return spans
    }

    /// Where the trained part of a turn ends.
    private func terminated(_ turn: ArraySlice<UInt8>) -> Int {
        var visible = turn
        while let last = visible.last, [0x20, 0x09, 0x0A, 0x0D].contains(last) { visible.removeLast() }
        guard let last = tokens(visible).last, endsTurn(last) else { return turn.endIndex }
        return visible.endIndex
    }

    private func endsTurn(_ token: Int32) -> Bool {
        tokenizer.isSpecial(token) || tokenizer.specialTokens.endOfTurn.contains(token)
    }

    private func tokens(_ bytes: ArraySlice<UInt8>) -> [Int32] {
        bytes.isEmpty
            ? [] : tokenizer.encode(String(decoding: bytes, as: UTF8.self), addSpecialTokens: false)
    }

    private func render(
        _ messages: ArraySlice<ChatMessage>, _ tools: JSONValue?, prompting: Bool, _ location: String,
        turn: Int? = nil
    ) throws(InputError) -> RenderedChat {
        do {
            return try template.rendered(
                messages: Array(messages), tools: tools, addGenerationPrompt: prompting,
                variables: tokenizer.templateVariables)
        } catch {
            let place = turn.map { "\(location), turn \($0 + 1)" } ?? location
            throw InputError(place, "\(error.problem) (\(error.location))", advice: error.advice)
        }
    }
}
