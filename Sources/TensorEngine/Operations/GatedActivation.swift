// The gated activation of the feed-forward block: SwiGLU or GeGLU (arXiv 2002.05202).

extension Tape {
    /// activation(gate) * up, elementwise [T, F]. Keeps gate and up; the result is recomputable and not kept here.
    package func gated(_ gate: Variable, _ up: Variable, activation: GateActivation) -> Variable {
        let output = backend.makeTensor(
            rowCount: gate.value.rowCount, width: gate.value.width, type: gate.value.type)
        backend.gate(activation, gate: gate.value, up: up.value, into: output)
        guard records(gate, up) else { return constant(output) }
        return record(output) { [backend] gradient in
            let dGate = backend.makeTensor(rowCount: gradient.rowCount, width: gradient.width, type: gradient.type)
            let dUp = backend.makeTensor(rowCount: gradient.rowCount, width: gradient.width, type: gradient.type)
            backend.gateBackward(
                activation, gate: gate.value, up: up.value, outputGradient: gradient, gateGradient: dGate,
                upGradient: dUp)
            gate.contribute(dGate, on: backend)
            up.contribute(dUp, on: backend)
        }
    }
}
