// The gated activation of the feed-forward block: SwiGLU or GeGLU (arXiv 2002.05202).

extension Tape {
    /// activation(gate) * up, elementwise [T, F]. Keeps gate and up; pullbacks that read the result make it again.
    package func gated(_ gate: Variable, _ up: Variable, activation: GateActivation) -> Variable {
        let (gateValue, upValue) = (gate.value, up.value)
        precondition(
            gateValue.type == upValue.type,
            "gated: gate \(gateValue.shapeDescription), up \(upValue.shapeDescription)")
        let multiply = { [backend] in
            let output = backend.makeTensor(
                rowCount: gateValue.rowCount, width: gateValue.width, type: gateValue.type)
            backend.gate(activation, gate: gateValue, up: upValue, rows: nil, into: output)
            return output
        }
        let output = multiply()
        guard records(gate, up) else { return constant(output) }
        let (gateSlot, upSlot) = (gate.gradientSlot, up.gradientSlot)
        return record(output, making: multiply) { [backend] gradient in
            let gateGradient = backend.makeTensor(
                rowCount: gradient.rowCount, width: gradient.width, type: gradient.type)
            // One of the two takes the incoming gradient's place: [T, F] is the largest tensor of a block.
            gradient.makeStorageUnique(on: backend)
            backend.gateBackward(
                activation, gate: gateValue, up: upValue, rows: nil, outputGradient: gradient,
                gateGradient: gateGradient, upGradient: gradient)
            gateSlot?.contribute(gateGradient, on: backend)
            upSlot?.contribute(gradient, on: backend)
        }
    }
}
