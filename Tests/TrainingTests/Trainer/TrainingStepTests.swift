// Gradients of a step: accumulation, clipping, the update.

import FileSupport
@testable import TensorEngine
import Testing

@testable import Training

@Suite struct TrainingStepTests {
    private let backend = CPUBackend()

    private func gradients(of batches: [Batch]) throws -> (StepResult, [[Float]]) {
        let model = TinyModel(backend: backend)
        let optimizer = AdamWOptimizer(model.parameters, settings: OptimizerSection(), backend: backend)
        let result = try model.accumulateGradients(of: batches, into: optimizer, backend: backend) { _ in 0 }
        return (result, model.gradients)
    }

    @Test func `small batches accumulate to exactly the large batch`() throws {
        let examples = tinyExamples(7)
        let parts = [[0, 1, 2], [3], [4, 5, 6]].map { Batch(examples, indices: $0) }
        let labelled = parts.map(\.labelledCount)
        #expect(Set(labelled).count > 1, "batches with equal counts would not show a mean of means")
        let (small, smallGradients) = try gradients(of: parts)
        let (large, largeGradients) = try gradients(of: [Batch(examples, indices: Array(0..<7))])
        #expect(small.labelledTokens == large.labelledTokens)
        #expect(small.tokens == large.tokens)
        // The same sums in another order: only rounding may differ.
        #expect(abs(small.loss - large.loss) < 1e-6)
        for (left, right) in zip(smallGradients.joined(), largeGradients.joined()) {
            #expect(abs(left - right) < 1e-6)
        }
        let largest = largeGradients.joined().map { abs($0) }.max() ?? 0
        #expect(largest > 1e-3, "gradients that vanish would prove nothing")
    }

    @Test func `the gradient is the slope of the mean loss over labelled tokens`() throws {
        let examples = tinyExamples(4)
        let batches = [Batch(examples, indices: [0, 1]), Batch(examples, indices: [2, 3])]
        let (_, gradients) = try gradients(of: batches)
        let model = TinyModel(backend: backend)
        let step: Float = 1e-2
        for (index, parameter) in model.parameters.enumerated() {
            let values = backend.download(parameter.value)
            for element in stride(from: 0, to: values.count, by: 5) {
                func loss(_ offset: Float) throws -> Double {
                    var moved = values
                    moved[element] += offset
                    let tensor = backend.upload(
                        moved, rowCount: parameter.value.rowCount, width: parameter.value.width,
                        type: .float32)
                    backend.copy(tensor, scale: 1, into: parameter.value)
                    return try model.meanLoss(of: batches, backend: backend).loss
                }
                let slope = try (loss(step) - loss(-step)) / Double(2 * step)
                _ = try loss(0)
                // f32 losses of about 2.5 differ by 1e-6 or so, over 2e-2.
                #expect(abs(slope - Double(gradients[index][element])) < 5e-4)
            }
        }
    }

    @Test func `clipping scales the update's gradient to the allowed norm`() {
        func update(maxNorm: Double) -> (Float, Double, Double) {
            let value = backend.upload([1, 1], rowCount: 1, width: 2, type: .float32)
            let parameter = Parameter(name: "p", value: value)
            var settings = OptimizerSection()
            settings.maxGradientNorm = maxNorm
            let optimizer = AdamWOptimizer([parameter], settings: settings, backend: backend)
            parameter.gradientSlot?.contribute(
                backend.upload([3, 4], rowCount: 1, width: 2, type: .float32), on: backend)
            let norm = optimizer.gradientNorm()
            optimizer.update(learningRate: 0.1, norm: norm)
            return (
                backend.download(optimizer.firstMoments[0])[1], norm, optimizer.clippingFactor(norm: norm)
            )
        }
        let (clipped, norm, factor) = update(maxNorm: 1)
        #expect(norm == 5)
        #expect(abs(factor - 0.2) < 1e-6)
        #expect(abs(clipped - 0.1 * 0.8) < 1e-6)
        #expect(abs(update(maxNorm: 0).0 - 0.1 * 4) < 1e-6, "0 turns clipping off")
        #expect(update(maxNorm: 10).2 == 1, "a small gradient is not scaled up")
    }

    @Test func `the update is AdamW's`() {
        let parameter = Parameter(
            name: "p", value: backend.upload([0.5, -2], rowCount: 1, width: 2, type: .float32))
        var settings = OptimizerSection()
        settings.weightDecay = 0.1
        settings.maxGradientNorm = 0
        let optimizer = AdamWOptimizer([parameter], settings: settings, backend: backend)
        var expected = [0.5, -2.0]
        var first = [0.0, 0.0]
        var second = [0.0, 0.0]
        for step in 1...5 {
            let gradient = [0.3 * Double(step), -0.01]
            parameter.gradientSlot?.contribute(
                backend.upload(gradient.map { Float($0) }, rowCount: 1, width: 2, type: .float32), on: backend
            )
            optimizer.update(learningRate: 0.01, norm: optimizer.gradientNorm())
            for index in 0..<2 {
                first[index] = 0.9 * first[index] + 0.1 * gradient[index]
                second[index] = 0.999 * second[index] + 0.001 * gradient[index] * gradient[index]
                var power1 = 1.0
                var power2 = 1.0
                for _ in 0..<step { (power1, power2) = (power1 * 0.9, power2 * 0.999) }
                expected[index] *= 1 - 0.01 * 0.1
                expected[index] -=
                    0.01 * (first[index] / (1 - power1))
                    / ((second[index] / (1 - power2)).squareRoot() + 1e-8)
            }
        }
        for (found, expected) in zip(backend.download(parameter.value), expected) {
            #expect(abs(Double(found) - expected) < 1e-5)
        }
        #expect(parameter.gradient == nil, "an update clears the gradients")
    }

    @Test func `a step ends where an epoch ends`() {
        var configuration = TrainingConfiguration()
        configuration.gradientAccumulation = 2
        configuration.epochs = 1.5
        let stream = BatchStream(tinyExamples(5), options: BatchOptions(sequences: 1))
        var plan = StepPlan(stream, configuration: configuration)
        #expect(plan.stepsPerEpoch == 3)
        #expect(plan.totalSteps == 5)
        #expect((0..<4).map { _ in plan.next().count } == [2, 2, 1, 2])
        #expect(plan.epochs == 1.4)
    }
}
