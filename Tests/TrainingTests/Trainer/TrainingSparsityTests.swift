// Sparse steps in training: when they are sparse, and that everything else stays as it is.

import Adapters
import ContextualSparsity
import FileSupport
import Models
import TensorEngine
import TestSupport
import Testing

@testable import Training

@Suite struct `Contextual sparsity in training` {
    private let options = BatchOptions(sequences: 4, seed: 1)
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func model() throws -> AdaptedModel {
        let model = try CausalLM(
            ModelSource(path: GoldenFolder("lora/model").path), computeType: .float32, backend: CPUBackend())
        var configuration = TrainingConfiguration()
        configuration.adapter.rank = 2
        return try AdaptedModel(model, configuration: configuration)
    }

    /// Prompts of a dozen tokens, answers of four.
    private func examples(promptLength: Int = 12) -> [TokenizedExample] {
        var random = SeededGenerator(seed: 3, stream: 0)
        return (0..<24).map { _ in
            let tokens = (0..<promptLength + 4).map { _ in Int32(random.next() % 60) }
            return TokenizedExample(tokens: tokens, isLabelled: tokens.indices.map { $0 >= promptLength })
        }
    }

    private func prepared(
        _ choice: String, for model: AdaptedModel, _ examples: [TokenizedExample]
    ) throws -> (sparsity: TrainingSparsity?, note: String) {
        try TrainingSparsity.prepared(
            SparsitySection(), choice: choice, model: model.model, examples: examples, batchOptions: options)
    }

    /// Half of the first layer's channels: the other of the two layers is the last, which has nothing to leave out.
    private func planFile() throws -> String {
        let path = folder.path + "/plan.yaml"
        try SparsityPlan.uniform(feedForward: 0.5, attention: 0, layers: 0..<1).write(to: path)
        return path
    }

    private func loss(_ model: AdaptedModel, isRecording: Bool) throws -> Double {
        var stream = BatchStream(examples(), options: options)
        let tape = Tape(backend: model.model.backend, isRecording: isRecording)
        return try model.loss(stream.next(), gradientScale: 1, on: tape, dropoutSeed: 0).sum
    }

    @Test func `steps are sparse from the start of the plan on, evaluation never is`() throws {
        let model = try model()
        let dense = try (loss(model, isRecording: true), loss(model, isRecording: false))
        model.sparsity = try prepared(planFile(), for: model, examples()).sparsity
        #expect(model.sparsity != nil)
        model.prepare(step: 4, of: 100)
        #expect(try loss(model, isRecording: true) == dense.0)
        model.prepare(step: 5, of: 100)
        #expect(try loss(model, isRecording: true) != dense.0)
        #expect(try loss(model, isRecording: false) == dense.1)
    }

    @Test func `calibrating again gives the same steps`() throws {
        let losses = try (0..<2).map { _ in
            let model = try model()
            model.sparsity = try prepared(planFile(), for: model, examples()).sparsity
            #expect(model.sparsity != nil)
            model.prepare(step: 50, of: 100)
            return try loss(model, isRecording: true)
        }
        #expect(losses[0] == losses[1])
    }

    @Test func `a budget that cannot be met names the least that can`() throws {
        let model = try model()
        #expect(throws: InputError.self) { try prepared("0.01", for: model, examples()) }
        #expect(throws: InputError.self) { try prepared("1.5", for: model, examples()) }
        #expect(throws: InputError.self) { try prepared("/nowhere/plan.yaml", for: model, examples()) }
    }

    @Test func `without prompts there is nothing to leave out, and training is dense`() throws {
        let result = try prepared("0.9", for: try model(), examples(promptLength: 1))
        #expect(result.sparsity == nil)
        #expect(result.note.contains("training densely"))
    }
}
