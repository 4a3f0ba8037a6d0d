// A copy of all parameters, to go back to when a step turns out to have broken them.

internal import TensorEngine

/// The values that parameters had.
struct ParameterSnapshot {
    private let parameters: [Parameter]
    let copies: [Tensor]
    private let backend: any Backend

    /// Takes memory for the copies and fills them.
    init(_ parameters: [Parameter], backend: any Backend) {
        self.parameters = parameters
        self.backend = backend
        copies = parameters.map {
            backend.makeTensor(rowCount: $0.value.rowCount, width: $0.value.width, type: .float32)
        }
        take()
    }

    /// Copies the values of now.
    func take() {
        for (parameter, copy) in zip(parameters, copies) {
            backend.copy(parameter.value, scale: 1, into: copy)
        }
    }

    /// Gives the parameters the copied values.
    func restore() {
        for (parameter, copy) in zip(parameters, copies) {
            backend.copy(copy, scale: 1, into: parameter.value)
        }
    }
}
