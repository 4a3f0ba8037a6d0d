// AdamW over a list of parameters: their moments, the global gradient norm, clipping.

package import TensorEngine

/// AdamW (arXiv 1711.05101) with the moments of every parameter.
package final class AdamWOptimizer {
    package let parameters: [Parameter]
    /// f32, of each parameter's shape, in their order.
    package let firstMoments: [Tensor]
    package let secondMoments: [Tensor]
    /// Updates made so far.
    package var completedSteps = 0

    private let settings: OptimizerSection
    private let backend: any Backend

    package init(_ parameters: [Parameter], settings: OptimizerSection, backend: any Backend) {
        func zeros() -> [Tensor] {
            parameters.map { parameter in
                let value = parameter.value
                let moment = backend.makeTensor(rowCount: value.rowCount, width: value.width, type: .float32)
                backend.fill(moment, with: 0)
                return moment
            }
        }
        self.parameters = parameters
        self.settings = settings
        self.backend = backend
        firstMoments = zeros()
        secondMoments = zeros()
    }

    /// The Euclidean norm of all gradients together; not finite when one of their elements is not.
    package func gradientNorm() -> Double {
        parameters.reduce(0) { $0 + ($1.gradient.map { backend.sumOfSquares($0) } ?? 0) }.squareRoot()
    }

    /// What gradients of this norm are multiplied by, as torch.nn.utils.clip_grad_norm_ has it.
    package func clippingFactor(norm: Double) -> Double {
        guard settings.maxGradientNorm > 0 else { return 1 }
        return min(1, settings.maxGradientNorm / (norm + 1e-6))
    }

    /// Updates every parameter that has a gradient, and clears the gradients.
    ///
    /// - Parameter norm: what `gradientNorm()` gave.
    package func update(learningRate: Double, norm: Double) {
        completedSteps += 1
        let step = AdamWSettings(
            learningRate: Float(learningRate), beta1: Float(settings.beta1), beta2: Float(settings.beta2),
            epsilon: Float(settings.epsilon), weightDecay: Float(settings.weightDecay), step: completedSteps,
            gradientScale: Float(clippingFactor(norm: norm)))
        for (index, parameter) in parameters.enumerated() {
            guard let gradient = parameter.gradient else { continue }
            backend.adamW(
                parameter: parameter.value, gradient: gradient, firstMoment: firstMoments[index],
                secondMoment: secondMoments[index], settings: step)
        }
        clearGradients()
    }

    package func clearGradients() {
        for parameter in parameters { parameter.clearGradient() }
    }
}
