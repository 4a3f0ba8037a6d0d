// Ten steps of LoRA training against PEFT: logits, first gradients, losses, norms and final adapters.

import Adapters
import Checkpoints
import FileSupport
import Models
import TensorEngine
import TestSupport
import Testing

@Suite("LoRA training agrees with PEFT")
struct TrainingGoldenTests {
    static let cases = ["all-linear", "attention-rslora"]
    private static let steps = 10
    private static let largestNorm = 1.0

    private struct Run {
        let model: CausalLM
        let adapters: AdapterSet
        let expected: GoldenTensors
        let batch: LabelledBatch

        init(_ name: String) throws {
            let golden = GoldenFolder("lora/\(name)")
            model = try CausalLM(
                ModelSource(path: GoldenFolder("lora/model").path), computeType: .float32,
                backend: CPUBackend())
            adapters = try AdapterSet.load(golden.path, into: model)
            expected = try golden.tensors()
            batch = try LabelledBatch(expected, count: 3)
        }

        /// The token-mean loss, with gradients in the parameters.
        func backward() throws -> Float {
            let count = batch.labels.count { $0 >= 0 }
            let tape = Tape(backend: model.backend)
            let result = try model.loss(
                PackedSequences(batch.sequences), labels: batch.labels, gradientScale: 1 / Float(count),
                on: tape)
            tape.backward()
            #expect(result.count == count)
            return Float(result.sum / Double(count))
        }
    }

    @Test("logits with the adapter", arguments: cases)
    func logits(name: String) throws {
        let run = try Run(name)
        for index in 0..<3 {
            let logits = try run.model.logits(PackedSequences([run.batch.sequences[index]]))
            #expect(try largestDifference(logits, run.expected.floats("logits.\(index)")) < 1e-4)
        }
    }

    @Test("the gradient of every adapter tensor", arguments: cases)
    func gradients(name: String) throws {
        let run = try Run(name)
        #expect(try abs(run.backward() - run.expected.floats("losses")[0]) < 1e-5)
        let names = run.expected.names.filter { $0.hasPrefix("gradient.") }
        #expect(Set(names) == Set(run.adapters.parameters.map { "gradient.\($0.name)" }))
        for parameter in run.adapters.parameters {
            let gradient = try #require(parameter.gradient)
            let values = run.model.backend.download(gradient)
            let reference = try run.expected.floats("gradient.\(parameter.name)")
            #expect(largestDifference(values, reference) < 1e-4, "\(parameter.name)")
        }
    }

    /// Errors of single steps add up over ten steps at a learning rate of 0.01, and Adam divides small gradients by
    /// their own size: 2e-4 on weights of magnitude 0.3.
    @Test("ten clipped AdamW steps", arguments: cases)
    func tenSteps(name: String) throws {
        let run = try Run(name)
        let backend = run.model.backend
        let losses = try run.expected.floats("losses")
        let norms = try run.expected.floats("gradient_norms")
        let moments = run.adapters.parameters.map { parameter in
            (0..<2).map { _ in
                let moment = backend.makeTensor(
                    rowCount: parameter.value.rowCount, width: parameter.value.width, type: .float32)
                backend.fill(moment, with: 0)
                return moment
            }
        }
        for step in 0..<Self.steps {
            #expect(try abs(run.backward() - losses[step]) < 1e-4, "step \(step)")
            let gradients = try run.adapters.parameters.map { try #require($0.gradient) }
            let norm = gradients.reduce(0) { $0 + backend.sumOfSquares($1) }.squareRoot()
            #expect(abs(Float(norm) - norms[step]) < 1e-3 * norms[step], "step \(step)")
            let settings = AdamWSettings(
                learningRate: 0.01, weightDecay: 0.01, step: step + 1,
                gradientScale: Float(min(1, Self.largestNorm / (norm + 1e-6))))
            for (index, parameter) in run.adapters.parameters.enumerated() {
                backend.adamW(
                    parameter: parameter.value, gradient: gradients[index], firstMoment: moments[index][0],
                    secondMoment: moments[index][1], settings: settings)
                parameter.clearGradient()
            }
        }
        for parameter in run.adapters.parameters {
            let final = try run.expected.floats("final.\(parameter.name)")
            #expect(largestDifference(backend.download(parameter.value), final) < 2e-4, "\(parameter.name)")
        }
    }
}
