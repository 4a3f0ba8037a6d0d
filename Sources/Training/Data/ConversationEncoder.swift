// Conversations: the template's text, and in it what the assistant says.

import ChatTemplates
import FileSupport
import Tokenization

/// Finds what the assistant says in the text of a conversation.
///
/// A template with `{% generation %}` blocks says itself what is trained; otherwise `TurnLocator` finds the assistant's
/// turns in the text.
///
/// Of a turn everything is trained up to and including the token that ends it, such as `<|im_end|>`. White space that
/// the template puts after that token, mostly a line end, is not: the model has stopped by then. A turn that no special
/// token ends is trained to its last character.
struct ConversationEncoder {
    private let template: ChatTemplate
    private let conventions: TemplateConventions
    private let tokenizer: any TextEncoder
    /// The spellings of the tokens that are known to end a turn.
    private let turnEnds: [[UInt8]]

    init(template: ChatTemplate, tokenizer: any TextEncoder) {
        self.template = template
        self.tokenizer = tokenizer
        conventions = TemplateConventions(of: template)
        let special = tokenizer.specialTokens
        turnEnds = (special.endOfTurn + [special.endOfText].compactMap { $0 }).compactMap(
            tokenizer.bytes(of:))
    }

    func encode(_ conversation: Conversation, location: String) throws(InputError) -> TokenizedExample {
        let (text, spans) = try trainedSpans(of: conversation, location: location)
        var parts: [(text: String, isLabelled: Bool)] = []
        var start = 0
        for span in spans {
            parts.append((String(decoding: text[start..<span.lowerBound], as: UTF8.self), false))
            parts.append((String(decoding: text[span], as: UTF8.self), true))
            start = span.upperBound
        }
        parts.append((String(decoding: text[start...], as: UTF8.self), false))
        let tokens = tokenizer.encode(parts: parts.map(\.text))
        return TokenizedExample(zip(tokens, parts).map { (tokens: $0, isLabelled: $1.isLabelled) })
    }

    /// The text of a conversation in UTF-8, and the ranges of it that are trained, ascending.
    func trainedSpans(
        of conversation: Conversation, location: String
    ) throws(InputError) -> (text: [UInt8], spans: [Range<Int>]) {
        var conversation = conversation
        conversation.messages = conventions.applied(to: conversation.messages)
        // One time for all renderings of the conversation.
        var template = template
        let now = template.clock()
        template.clock = { now }
        let whole: RenderedChat
        do {
            whole = try template.rendered(conversation, variables: tokenizer.templateVariables)
        } catch {
            throw InputError(location, "\(error.problem) (\(error.location))", advice: error.advice)
        }
        let text = Array(whole.text.utf8)
        for (index, message) in conversation.messages.enumerated() where message.role == "assistant" {
            guard let name = message.lastCalled, !whole.text.contains(name) else { continue }
            throw InputError(
                "\(location), turn \(index + 1)",
                "the chat template leaves out the tools that this turn calls",
                advice: "Use a chat template that writes tool calls")
        }
        if template.marksGenerations {
            guard whole.generationSpans.contains(where: { !$0.isEmpty }) else {
                throw InputError(
                    location, "the chat template marks nothing of this conversation as said by the assistant")
            }
            return (text, whole.generationSpans)
        }
        let locator = TurnLocator(
            template, conversation, variables: tokenizer.templateVariables, text: text, location: location,
            turnEnds: turnEnds)
        return (text, try locator.turns().map { $0.lowerBound..<trainedEnd(of: $0, in: text) })
    }

    /// Where the trained part of a turn ends.
    private func trainedEnd(of turn: Range<Int>, in text: [UInt8]) -> Int {
        var visible = text[turn]
        while let last = visible.last, Self.isSpace(last) { visible.removeLast() }
        guard let last = tokens(visible).last, endsTurn(last) else { return turn.upperBound }
        return visible.endIndex
    }

    private static func isSpace(_ byte: UInt8) -> Bool { [0x20, 0x09, 0x0A, 0x0D].contains(byte) }

    private func endsTurn(_ token: Int32) -> Bool {
        tokenizer.isSpecial(token) || tokenizer.specialTokens.endOfTurn.contains(token)
    }

    private func tokens(_ bytes: ArraySlice<UInt8>) -> [Int32] {
        bytes.isEmpty
            ? [] : tokenizer.encode(String(decoding: bytes, as: UTF8.self), addSpecialTokens: false)
    }
}
