// Conversations: what is remembered between turns, and what is forgotten when the model can read no more.

import ChatTemplates
import FileSupport
import SparseLoRA
import TestSupport
import Testing

@Suite struct ChatSessionTests {
    private var options: GenerationOptions {
        var options = GenerationOptions()
        options.maximumTokens = 6
        return options
    }

    private func withModel(_ body: (LanguageModel) throws -> Void) throws {
        try withTemporaryFolder { folder in
            try TinyModel.write(to: "\(folder)/model")
            try body(LanguageModel(path: "\(folder)/model", computeType: .float32))
        }
    }

    @Test func turnsAnswerLikeTheWholeConversationAndReadItOnce() throws {
        try withModel { model in
            let session = ChatSession(model, system: "Count.")
            for (number, question) in ["one and one", "two and two", "and three"].enumerated() {
                let asked = session.messages + [ChatMessage(role: "user", content: question)]
                let turn = try session.ask(question, options: options)
                #expect(try turn.answer == model.reply(to: asked, options: options))
                #expect(session.messages.count == 1 + 2 * (number + 1))
                #expect((turn.rememberedTokenCount > 10) == (number > 0))
                #expect(turn.forgottenExchanges == 0)
            }
        }
    }

    @Test func undoAndClearTakeMessagesBack() throws {
        try withModel { model in
            let session = ChatSession(model, system: "Count.")
            let first = try session.ask("one", options: options).answer
            let second = try session.ask("two", options: options).answer
            session.undo()
            #expect(session.messages.count == 3)
            #expect(try session.ask("two", options: options).answer == second)
            session.clear()
            #expect(session.messages.map(\.role) == ["system"])
            let again = try session.ask("one", options: options)
            #expect(again.answer == first)
            #expect(again.rememberedTokenCount == 0)
            for _ in 0..<3 { session.undo() }
            #expect(session.messages.map(\.role) == ["system"])
        }
    }

    @Test func conversationLongerThanTheModelReadsLosesItsOldestExchanges() throws {
        try withModel { model in
            let session = ChatSession(model, system: "Count.")
            var forgotten = 0
            for number in 0..<12 {
                let turn = try session.ask("number \(number), and then the next one", options: options)
                #expect(turn.answer.promptTokenCount + options.maximumTokens <= model.contextLength)
                forgotten += turn.forgottenExchanges
            }
            #expect(forgotten > 0)
            #expect(session.messages.count == 1 + 2 * (12 - forgotten))
            #expect(session.messages[0].role == "system" && session.messages[1].role == "user")
            // Room for an answer is kept, but not more than half of what the model reads.
            var long = options
            long.maximumTokens = 100_000
            let turn = try session.ask("one more", options: long)
            #expect(turn.answer.promptTokenCount <= model.contextLength / 2)
            #expect(turn.answer.promptTokenCount + turn.answer.tokenCount <= model.contextLength)
        }
    }

    @Test func questionThatIsTooLongAloneIsAnErrorAndChangesNothing() throws {
        try withModel { model in
            let session = ChatSession(model)
            let answer = try session.ask("one", options: options).answer
            let before = session.messages
            let error = #expect(throws: InputError.self) {
                try session.ask(String(repeating: "7 ", count: 300), options: options)
            }
            #expect(error?.problem.contains("at most 256") == true)
            #expect(session.messages == before)
            session.undo()
            #expect(try session.ask("one", options: options).answer == answer)
        }
    }
}
