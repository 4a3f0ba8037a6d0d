// Generation: the cache changes speed, not results; batches change nothing; sampling keeps what it says.

import FileSupport
import Foundation
import TensorEngine
import TestSupport
import Testing

@testable import Models

@Suite("Generation")
struct GenerationTests {
    /// With dynamic rope scaling cached keys keep the angles of the length that the sequence had.
    static let folders =
        LlamaGoldenTests.folders
        + FamilyGoldenTests.folders.filter { $0 != "llama-dynamic" }.map { "family-\($0)" }

    private func model(_ folder: String = "llama-gqa-tied") throws -> CausalLM {
        try CausalLM(
            ModelSource(path: GoldenFolder(folder).path), computeType: .float32, backend: CPUBackend())
    }

    /// Greedy decoding without a cache: the whole sequence again for every token.
    private func reference(_ model: CausalLM, _ prompt: [Int32], count: Int) throws -> [Int32] {
        var tokens = prompt
        for _ in 0..<count {
            let logits = try model.logits(PackedSequences([tokens], outputRows: [Int32(tokens.count - 1)]))
            tokens.append(Int32(try #require(logits.indices.max { logits[$0] < logits[$1] })))
        }
        return Array(tokens[prompt.count...])
    }

    private let prompts: [[Int32]] = [
        [5], [7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17], [100, 3], Array(20..<50), [42, 42, 42, 42],
    ]

    @Test("with a cache equals the full forward pass", arguments: folders)
    func cached(folder: String) throws {
        let model = try model(folder)
        let generator = Generator(model, options: GenerationOptions(maximumTokens: 12))
        for prompt in prompts {
            #expect(try generator.generate([prompt]) == [reference(model, prompt, count: 12)])
        }
    }

    @Test(
        "in a batch equals one by one, whatever the slots and the prefill limit",
        arguments: [(1, 1024), (2, 4), (3, 7), (8, 1)])
    func batched(slots: Int, prefill: Int) throws {
        let model = try model()
        let expected = try prompts.map { try reference(model, $0, count: 9) }
        let generator = Generator(
            model, options: GenerationOptions(maximumTokens: 9), slotCount: slots, prefillTokens: prefill)
        #expect(try generator.generate(prompts) == expected)
    }

    @Test("with dynamic rope scaling rotates a prompt in parts by the length of the whole")
    func dynamicScaling() throws {
        let model = try model("family-llama-dynamic")
        let options = GenerationOptions(maximumTokens: 1)
        for prompt in prompts {
            let expected = [try reference(model, prompt, count: 1)]
            #expect(try Generator(model, options: options, prefillTokens: 5).generate([prompt]) == expected)
        }
        // Two tokens of 14 stay below the maximum of 16, where nothing is scaled.
        let short = [Array(prompts[1] + [18, 19, 20])]
        #expect(
            try Generator(model, options: GenerationOptions(maximumTokens: 2)).generate(short)
                == [reference(model, short[0], count: 2)])
    }

    @Test("goes on correctly when the cache has to grow")
    func growth() throws {
        let model = try model()
        let expected = try reference(model, [5], count: 150)
        #expect(
            try Generator(model, options: GenerationOptions(maximumTokens: 150)).generate([[5]]) == [expected]
        )
    }

    @Test("ends at a stop token, which is not part of the result, and when the caller says so")
    func stopping() throws {
        let model = try model()
        let full = try reference(model, prompts[1], count: 9)
        let stop = full[4]
        let before = Array(full.prefix { $0 != stop })
        var options = GenerationOptions(maximumTokens: 9, stopTokens: [stop])
        #expect(try Generator(model, options: options).generate([prompts[1]]) == [before])
        options.stopTokens = []
        var streamed: [Int32] = []
        let result = try Generator(model, options: options).generate([prompts[1]]) {
            _, token throws(InputError) in
            streamed.append(token)
            return streamed.count == 3 ? .stop : .goOn
        }
        #expect(result == [Array(full[..<3])] && streamed == Array(full[..<3]))
    }

    @Test("a seed reproduces a sample, in a batch as alone, and another seed gives another")
    func seeds() throws {
        let model = try model()
        var options = GenerationOptions(maximumTokens: 20, temperature: 1.5, seed: 1)
        let first = try Generator(model, options: options).generate(prompts)
        #expect(try Generator(model, options: options, slotCount: 2).generate(prompts) == first)
        options.seed = 2
        #expect(try Generator(model, options: options).generate(prompts) != first)
    }

    @Test("turn by turn with a memory equals reading the whole conversation", arguments: Self.folders)
    func memory(folder: String) throws {
        let model = try model(folder)
        let generator = Generator(model, options: GenerationOptions(maximumTokens: 5))
        let memory = GenerationMemory()
        var conversation: [Int32] = []
        for (turn, question) in prompts.enumerated() {
            let before = conversation.count
            conversation += question
            let answer = try generator.generate(conversation, memory: memory)
            #expect(try [answer] == generator.generate([conversation]), "turn \(turn)")
            // The last token made was never read, and models with factors for long sequences start over with them.
            if turn > 0, !folder.contains("longrope") { #expect(memory.reusedTokenCount == before - 1) }
            conversation += answer
        }
    }

    @Test("with a memory reads again what differs, whatever else was read before")
    func memoryOfAnotherConversation() throws {
        let model = try model()
        let generator = Generator(model, options: GenerationOptions(maximumTokens: 4))
        let memory = GenerationMemory()
        let prompts: [[Int32]] = [
            Array(20..<50), Array(20..<30) + [7] + Array(31..<60), Array(20..<30), [5], [5], Array(20..<30),
        ]
        var reused: [Int] = []
        for prompt in prompts {
            #expect(try [generator.generate(prompt, memory: memory)] == generator.generate([prompt]))
            reused.append(memory.reusedTokenCount)
        }
        #expect(reused == [0, 10, 9, 0, 0, 0])
    }

    @Test("with a memory forgets it when adapters change or an error ends a turn")
    func memoryOfAnotherAdapter() throws {
        let run = try FamilyGoldenTests.Run("llama")
        let generator = Generator(run.model, options: GenerationOptions(maximumTokens: 4))
        let memory = GenerationMemory()
        let prompt: [Int32] = Array(20..<40)
        let plain = try generator.generate(prompt, memory: memory)
        _ = try run.loadAdapter()
        let adapted = try generator.generate(prompt, memory: memory)
        #expect(memory.reusedTokenCount == 0)
        #expect(try [adapted] == generator.generate([prompt]))
        #expect(try generator.generate(prompt, memory: memory) == adapted)
        #expect(memory.reusedTokenCount == prompt.count - 1)
        #expect(throws: InputError.self) { try generator.generate(prompt + [-1], memory: memory) }
        #expect(try generator.generate(prompt, memory: memory) == adapted)
        #expect(memory.reusedTokenCount == 0)
        #expect(plain != adapted)
    }

    @Test("top-k of one is greedy")
    func topKOne() throws {
        let model = try model()
        let options = GenerationOptions(maximumTokens: 10, temperature: 1, topK: 1)
        #expect(
            try Generator(model, options: options).generate([prompts[3]]) == [
                reference(model, prompts[3], count: 10)
            ])
    }

    @Test("an empty prompt and a token outside the vocabulary are errors")
    func badPrompts() throws {
        let model = try model()
        #expect(throws: InputError.self) { try Generator(model).generate([[1], []]) }
        let error = try #require(throws: InputError.self) { try Generator(model).generate([[1, 160]]) }
        #expect(error.problem == "expected a token number from 0 to 159, found 160")
        #expect(throws: InputError.self) { try Generator(model).generate([[-1]]) }
    }
}

@Suite("Choosing tokens")
struct TokenSamplerTests {
    /// Probabilities 0.5, 0.25, 0.15, 0.1 in another order.
    private let logits: [Float] = [0.1, 0.5, 0.15, 0.25].map { Float(log($0)) }

    private func kept(_ options: GenerationOptions, prompt: [Int32] = []) -> [Int32] {
        TokenSampler(options, prompt: prompt).candidates(logits[...]).map(\.token)
    }

    @Test func everythingIsKeptLikeliestFirst() {
        #expect(kept(GenerationOptions(temperature: 1)) == [1, 3, 2, 0])
    }

    @Test func topKKeepsTheLikeliest() {
        #expect(kept(GenerationOptions(temperature: 1, topK: 2)) == [1, 3])
    }

    @Test(arguments: [(Float(0.4), 1), (0.5, 1), (0.6, 2), (0.8, 3), (0.95, 4), (0, 1)])
    func topPKeepsTheShortestRunThatReachesIt(topP: Float, count: Int) {
        // A hair below the exact sums, which f32 logits miss by rounding.
        #expect(kept(GenerationOptions(temperature: 1, topP: topP - 1e-5)).count == count)
    }

    @Test func minPIsRelativeToTheLikeliest() {
        #expect(kept(GenerationOptions(temperature: 1, minP: 0.29)) == [1, 3, 2])
        #expect(kept(GenerationOptions(temperature: 1, minP: 0.6)) == [1])
    }

    @Test func topPComesAfterTopKAndTemperature() {
        // Of the two left by top-k the first has two thirds.
        #expect(kept(GenerationOptions(temperature: 1, topK: 2, topP: 0.6)) == [1])
        // At temperature 0.5 probabilities are squared: 0.25 of 0.345 is 72%.
        #expect(kept(GenerationOptions(temperature: 0.5, topP: 0.7)) == [1])
    }

    @Test func repetitionPenaltyActsOnTokensSeen() {
        // All logits are negative, so they are multiplied: log 0.5 * 4 is below log 0.1.
        #expect(kept(GenerationOptions(temperature: 1, repetitionPenalty: 4), prompt: [1]) == [3, 2, 0, 1])
        var greedy = TokenSampler(GenerationOptions(repetitionPenalty: 4))
        #expect((0..<3).map { _ in greedy.sample(logits[...]) } == [1, 3, 2])
    }

    @Test func drawsFollowTheProbabilities() {
        var sampler = TokenSampler(GenerationOptions(temperature: 1, seed: 5))
        var counts = [Double](repeating: 0, count: 4)
        for _ in 0..<20_000 { counts[Int(sampler.sample(logits[...]))] += 1 / 20_000 }
        // Three standard deviations of a share of 0.5 over 20000 draws are 0.011.
        for (share, expected) in zip(counts, [0.1, 0.5, 0.15, 0.25]) {
            #expect(abs(share - expected) < 0.011)
        }
    }
}
