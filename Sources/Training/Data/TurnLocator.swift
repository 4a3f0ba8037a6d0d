// Where in the text of a conversation the assistant speaks, for templates that do not mark it.

import ChatTemplates
import FileSupport
import Tokenization

/// Finds the turns of the assistant in the text of a whole conversation, which alone is the truth: templates drop the
/// reasoning of earlier turns, move the tools before the last question, or end only the last turn with a token.
///
/// A turn begins where the prompt ends that the model would answer, and ends where the text of the messages through it
/// ends. Both are looked for in two ways. First as they are: where that prompt, or that text, is a beginning of the
/// whole text. Otherwise by substitution: a word that occurs nowhere takes the place of one message's content, and what
/// the template then writes before and after the word is compared with the whole text. Whatever does not agree to the
/// byte is an error, never a guess.
struct TurnLocator {
    private let template: ChatTemplate
    private let conversation: Conversation
    private let variables: JSONObject
    private let location: String
    /// UTF-8 of the whole text.
    private let text: [UInt8]
    private let sentinel: String
    private let turnEnds: [[UInt8]]

    /// - Parameter turnEnds: the spellings of tokens that end turns.
    init(
        _ template: ChatTemplate, _ conversation: Conversation, variables: JSONObject, text: [UInt8],
        location: String, turnEnds: [[UInt8]]
    ) {
        self.turnEnds = turnEnds
        self.template = template
        self.conversation = conversation
        self.variables = variables
        self.location = location
        self.text = text
        var word = "Sentinel"
        let whole = String(decoding: text, as: UTF8.self)
        while whole.contains(word) { word += "x" }
        sentinel = word
    }

    /// UTF-8 ranges of the text in which the assistant speaks, ascending: what it says, and what the template writes
    /// after that until the turn is over.
    func turns() throws(InputError) -> [Range<Int>] {
        var turns: [Range<Int>] = []
        for (index, message) in conversation.messages.enumerated() where message.role == "assistant" {
            guard let start = start(of: index), let end = end(of: index, from: start),
                start >= turns.last?.upperBound ?? 0
            else {
                // A template that refuses the conversation up to here says more than that it cannot be found.
                _ = try rendered(..<index, prompting: true, turn: index)
                throw InputError(
                    "\(location), turn \(index + 1)",
                    "the chat template writes this turn of the assistant differently when the conversation goes on, "
                        + "so it cannot be found in the whole text",
                    advice:
                        "Use a chat template that marks the assistant's text with {% generation %} blocks, "
                        + "or conversations that end with this turn")
            }
            turns.append(start..<end)
        }
        return turns
    }

    // MARK: Beginning and end

    private func start(of turn: Int) -> Int? {
        if let prompt = try? rendered(..<turn, prompting: true, turn: turn), text.starts(with: prompt) {
            return prompt.count
        }
        for carrier in [Carrier.content, .calledName] where turn > 0 {
            guard let previous = frame(of: turn - 1, carrier), hasSuffix(previous.after),
                let opening = frame(of: turn - 1, carrier, until: turn, prompting: true)?.after
            else { continue }
            if let start = start(of: turn, after: text.count - previous.after.count, opening: opening) {
                return start
            }
        }
        // The prompt opens the turn in another way than the conversation does: what is said begins with the first word.
        for carrier in [Carrier.reasoning, .contentAlone] {
            if let before = frame(of: turn, carrier)?.before, text.starts(with: before) {
                return before.count
            }
        }
        return nil
    }

    /// After the last word before the turn, at `position`, comes what opens the turn in the prompt: all of it, or as
    /// much as the template writes where nothing but content follows, since prompts may open more, such as thinking.
    private func start(of turn: Int, after position: Int, opening: ArraySlice<UInt8>) -> Int? {
        for carrier in [Carrier.contentAlone, .content, .calledName] {
            guard let before = frame(of: turn, carrier)?.before,
                before.count >= position, text[..<position].elementsEqual(before[..<position])
            else { continue }
            let head = before[position...]
            let shared = zip(opening, head).prefix { $0 == $1 }.count
            if shared == opening.count || (shared == head.count && carrier == .contentAlone),
                text[position...].starts(with: head.prefix(shared))
            {
                return position + shared
            }
        }
        return nil
    }

    private func end(of turn: Int, from start: Int) -> Int? {
        let isLast = turn == conversation.messages.count - 1
        let through = isLast ? text : try? rendered(..<(turn + 1), prompting: false, turn: turn)
        let certain = through.flatMap { $0.count >= start && text.starts(with: $0) ? $0.count : nil }
        if let certain, endsOnce(text[start..<certain]) { return certain }
        for carrier in [Carrier.content, .calledName] {
            guard let after = frame(of: turn, carrier)?.after, hasSuffix(after),
                text.count - after.count >= start
            else { continue }
            let position = text.count - after.count
            let next = isLast ? text.count : beginning(of: turn + 1)
            // Another's words before the end of the turn: templates may put the results of tools inside it.
            if let next, next < position { continue }
            if let limit = next ?? certain, let end = endOfTurn(text[position..<max(position, limit)]) {
                return end
            }
            if let certain { return certain }
            if let rest = frame(of: turn, carrier, until: turn + 1)?.after, after.starts(with: rest) {
                return position + rest.count
            }
            // The last turn ends otherwise than this one: only what is said is certain, and calls come after it.
            if carrier == .content, conversation.messages[turn]["tool_calls"] == nil { return position }
        }
        return certain
    }

    /// Where the content of a message begins in the whole text; nil where that is not certain.
    private func beginning(of index: Int) -> Int? {
        guard let before = frame(of: index, .content)?.before, text.starts(with: before) else { return nil }
        return before.count
    }

    /// Whether a token that ends turns stands at the end of a part of the text, white space apart, and nowhere before.
    private func endsOnce(_ part: ArraySlice<UInt8>) -> Bool {
        guard let end = endOfTurn(part) else { return false }
        return text[end..<part.endIndex].allSatisfy { [0x20, 0x09, 0x0A, 0x0D].contains($0) }
    }

    /// Where in a part of the text the first token that ends a turn ends.
    private func endOfTurn(_ part: ArraySlice<UInt8>) -> Int? {
        part.indices.lazy.compactMap { index in
            turnEnds.first { part[index...].starts(with: $0) }.map { index + $0.count }
        }.first
    }

    // MARK: Substitution

    /// What of a message the sentinel takes the place of.
    private enum Carrier {
        /// The content, with reasoning and calls left out.
        case contentAlone
        case content
        case reasoning
        /// The name of the function called last, for turns that only call.
        case calledName
    }

    private static let reasoningNames = ["reasoning_content", "thinking", "reasoning"]

    private func substituted(_ message: ChatMessage, _ carrier: Carrier) -> ChatMessage? {
        var message = message
        let word = JSONValue.string(sentinel)
        switch carrier {
        case .contentAlone, .content:
            if message.content.arrayValue == nil {
                message.content = word
            } else {
                message.content = .array([.object(JSONObject([("type", .string("text")), ("text", word)]))])
            }
            if carrier == .contentAlone {
                for name in Self.reasoningNames + ["tool_calls"] { message[name] = nil }
            }
        case .reasoning:
            if let name = Self.reasoningNames.first(where: { message[$0] != nil }) {
                message[name] = word
            } else {
                // Written into the content, as <think> … </think>.
                guard let content = message.content.stringValue,
                    let close = content.firstRange(of: "</think>")
                else { return nil }
                let open = content.firstRange(of: "<think>")?.upperBound ?? content.startIndex
                guard open <= close.lowerBound else { return nil }
                message.content = .string(content[..<open] + sentinel + content[close.lowerBound...])
            }
        case .calledName:
            guard var calls = message["tool_calls"]?.arrayValue, var call = calls.last?.objectValue else {
                return nil
            }
            if var function = call["function"]?.objectValue {
                function["name"] = word
                call["function"] = .object(function)
            } else {
                call["name"] = word
            }
            calls[calls.count - 1] = .object(call)
            message["tool_calls"] = .array(calls)
        }
        return message
    }

    /// The text before and after the sentinel in one message of the first `count`, of all by default; nil where the template refuses that,
    /// or does not write the sentinel once.
    private func frame(
        of index: Int, _ carrier: Carrier, until count: Int? = nil, prompting: Bool = false
    ) -> (before: ArraySlice<UInt8>, after: ArraySlice<UInt8>)? {
        guard let message = substituted(conversation.messages[index], carrier) else { return nil }
        var changed = conversation
        changed.messages = Array(changed.messages.prefix(count ?? changed.messages.count))
        changed.messages[index] = message
        guard
            let rendered = try? template.rendered(
                changed, addGenerationPrompt: prompting, variables: variables)
        else { return nil }
        let bytes = Array(rendered.text.utf8)
        let places = Self.occurrences(of: Array(sentinel.utf8), in: bytes)
        guard let first = places.first else { return nil }
        var after = bytes[(first + sentinel.utf8.count)...]
        if places.count > 1 {
            // The name of a function may stand in its result too, where the whole text has the true one.
            guard carrier == .calledName, let name = conversation.messages[index].lastCalled else {
                return nil
            }
            after = Array(String(decoding: after, as: UTF8.self).replacing(sentinel, with: name).utf8)[...]
        }
        return (bytes[..<first], after)
    }

    private static func occurrences(of word: [UInt8], in text: [UInt8]) -> [Int] {
        guard text.count >= word.count else { return [] }
        return (0...(text.count - word.count)).filter {
            text[$0] == word[0] && text[$0..<$0 + word.count].elementsEqual(word)
        }
    }

    private func hasSuffix(_ part: ArraySlice<UInt8>) -> Bool {
        text.count >= part.count && text.suffix(part.count).elementsEqual(part)
    }

    // MARK: Beginnings of the conversation

    private func rendered(
        _ range: PartialRangeUpTo<Int>, prompting: Bool, turn: Int
    ) throws(InputError) -> [UInt8] {
        var beginning = conversation
        beginning.messages = Array(conversation.messages[range])
        do {
            let chat = try template.rendered(
                beginning, addGenerationPrompt: prompting, variables: variables)
            return Array(chat.text.utf8)
        } catch {
            throw InputError(
                "\(location), turn \(turn + 1)", "\(error.problem) (\(error.location))", advice: error.advice)
        }
    }
}

extension ChatMessage {
    /// The name of the function that the message calls last.
    var lastCalled: String? {
        let call = self["tool_calls"]?.arrayValue?.last
        return (call?["function"] ?? call)?["name"]?.stringValue
    }
}
