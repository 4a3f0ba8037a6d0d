// Values and gradients of single operations against PyTorch's, computed there in f64 and rounded once.

import TensorEngine
import TestSupport
import Testing

/// Our f32 sums have up to a hundred terms near 1: errors stay within a few units of 1e-7 times the largest term.
@Suite struct `Operations agree with PyTorch` {
    private let backend = CPUBackend()
    private let folder = GoldenFolder("ops")

    private func parameter(_ name: String, of golden: GoldenTensors) throws -> Parameter {
        Parameter(name: name, value: try golden.tensor(name, on: backend))
    }

    private func expectClose(
        _ actual: Tensor?, _ golden: GoldenTensors, _ name: String, _ set: InstructionSet,
        relative: Float = 3e-6
    ) throws {
        let actual = try #require(actual, "\(set) \(name): nothing to compare")
        TestSupport.expectClose(
            backend.download(actual), try golden.floats(name), absolute: 3e-6, relative: relative,
            "\(set) \(name)")
    }

    private func number(_ scalars: [String: Double], _ key: String) throws -> Float {
        Float(try #require(scalars[key], "no \(key)"))
    }

    @Test(arguments: ["rms_norm", "rms_norm_unit_offset"])
    func `the root-mean-square norm`(name: String) throws {
        let golden = try folder.tensors("\(name).safetensors")
        let scalars = try folder.scalars(name)
        let (epsilon, offset) = (try number(scalars, "epsilon"), try number(scalars, "weight_offset"))
        try forEachInstructionSet { set in
            let tape = Tape(backend: backend)
            let input = try parameter("input", of: golden)
            let output = tape.rmsNorm(
                input, weight: try golden.tensor("weight", on: backend), offset: offset, epsilon: epsilon)
            try expectClose(output.value, golden, "output", set)
            tape.backward(from: output, gradient: try golden.tensor("grad_output", on: backend))
            try expectClose(input.gradient, golden, "grad_input", set)
        }
    }

    @Test(arguments: ["rotary_theta_10000", "rotary_theta_100000"])
    func `rotary embedding`(name: String) throws {
        let golden = try folder.tensors("\(name).safetensors")
        let headWidth = try #require(try golden.shape("input").last)
        let positions = try golden.integers("positions")
        let table = rotaryTable(
            positions: Int(try #require(positions.max())) + 1, width: headWidth,
            base: Double(try number(try folder.scalars(name), "theta")), on: backend)
        try forEachInstructionSet { set in
            let tape = Tape(backend: backend)
            let input = try parameter("input", of: golden)
            let output = tape.rotary(
                tape.scale(input, by: 1), headWidth: headWidth, table: table,
                positions: backend.upload(positions))
            try expectClose(output.value, golden, "output", set)
            tape.backward(from: output, gradient: try golden.tensor("grad_output", on: backend))
            try expectClose(input.gradient, golden, "grad_input", set)
        }
    }

    @Test(arguments: ["attention_causal", "attention_window", "attention_soft_cap", "attention_long"])
    func `attention`(name: String) throws {
        let golden = try folder.tensors("\(name).safetensors")
        let scalars = try folder.scalars(name)
        let (queryShape, keyShape) = (try golden.shape("query"), try golden.shape("key"))
        var shape = attentionShape(
            lengths: try golden.integers("sequence_lengths").map { Int($0) }, headCount: queryShape[1],
            keyValueHeadCount: keyShape[1], headWidth: queryShape[2], on: backend)
        shape.scale = try number(scalars, "scale")
        shape.softcap = Float(scalars["soft_cap"] ?? 0)
        shape.window = Int(scalars["window"] ?? 0)
        #expect((shape.window > 0) == (name == "attention_window"))
        #expect((shape.softcap > 0) == (name == "attention_soft_cap"))
        try forEachInstructionSet { set in
            let tape = Tape(backend: backend)
            let (query, key) = (try parameter("query", of: golden), try parameter("key", of: golden))
            let value = try parameter("value", of: golden)
            let output = tape.attention(query, key, value, shape: shape)
            try expectClose(output.value, golden, "output", set)
            tape.backward(from: output, gradient: try golden.tensor("grad_output", on: backend))
            try expectClose(query.gradient, golden, "grad_query", set)
            try expectClose(key.gradient, golden, "grad_key", set)
            try expectClose(value.gradient, golden, "grad_value", set)
        }
    }

    @Test(arguments: [("silu_mul", GateActivation.silu), ("gelu_tanh_mul", .geluTanh)])
    func `gated activations`(name: String, activation: GateActivation) throws {
        let golden = try folder.tensors("\(name).safetensors")
        try forEachInstructionSet { set in
            let tape = Tape(backend: backend)
            let (gate, up) = (try parameter("gate", of: golden), try parameter("up", of: golden))
            let output = tape.gated(gate, up, activation: activation)
            try expectClose(output.value, golden, "output", set)
            tape.backward(from: output, gradient: try golden.tensor("grad_output", on: backend))
            try expectClose(gate.gradient, golden, "grad_gate", set)
            try expectClose(up.gradient, golden, "grad_up", set)
        }
    }

    @Test func `a linear layer`() throws {
        let golden = try folder.tensors("linear.safetensors")
        try forEachInstructionSet { set in
            let tape = Tape(backend: backend)
            let input = try parameter("input", of: golden)
            let output = tape.linear(
                input, FrozenWeight(try golden.tensor("weight", on: backend)),
                bias: try golden.tensor("bias", on: backend))
            try expectClose(output.value, golden, "output", set)
            tape.backward(from: output, gradient: try golden.tensor("grad_output", on: backend))
            try expectClose(input.gradient, golden, "grad_input", set)
        }
    }

    @Test func `a linear layer with an adapter`() throws {
        let golden = try folder.tensors("linear_lora.safetensors")
        let scale = try number(try folder.scalars("linear_lora"), "scale")
        try forEachInstructionSet { set in
            let tape = Tape(backend: backend)
            let input = try parameter("input", of: golden)
            let adapter = LowRankPair(
                a: try parameter("lora_a", of: golden), b: try parameter("lora_b", of: golden), scale: scale)
            let weight = FrozenWeight(try golden.tensor("weight", on: backend))
            let output = tape.linear(input, weight, adapter: adapter)
            try expectClose(output.value, golden, "output", set)
            tape.backward(from: output, gradient: try golden.tensor("grad_output", on: backend))
            try expectClose(input.gradient, golden, "grad_input", set)
            try expectClose(adapter.a.gradient, golden, "grad_lora_a", set)
            try expectClose(adapter.b.gradient, golden, "grad_lora_b", set)
        }
    }

    @Test(arguments: [1, 5, 100])
    func `cross-entropy`(rowsAtOnce: Int) throws {
        let golden = try folder.tensors("cross_entropy.safetensors")
        let labels = try golden.integers("labels")
        let expected = try #require(try golden.floats("loss").first)
        try forEachInstructionSet { set in
            let tape = Tape(backend: backend)
            let hidden = try parameter("hidden", of: golden)
            let head = FrozenWeight(try golden.tensor("weight", on: backend))
            let loss = tape.crossEntropy(
                hidden, head: head, labels: backend.upload(labels), gradientScale: 1,
                block: (rows: rowsAtOnce, columns: 7))
            #expect(abs(loss.sum - Double(expected)) < 1e-6 * Double(expected), "\(set)")
            #expect(loss.count == labels.count { $0 >= 0 })
            tape.backward()
            try expectClose(hidden.gradient, golden, "grad_hidden", set)
        }
    }

    @Test func `five steps of AdamW`() throws {
        let golden = try folder.tensors("adamw.safetensors")
        let scalars = try folder.scalars("adamw")
        try forEachInstructionSet { set in
            let parameter = try golden.tensor("parameter.0", on: backend)
            let moments = (0..<2).map { _ in
                backend.makeTensor(rowCount: parameter.rowCount, width: parameter.width, type: .float32)
            }
            for moment in moments { backend.fill(moment, with: 0) }
            for step in 1...5 {
                let settings = AdamWSettings(
                    learningRate: try number(scalars, "learning_rate"), beta1: try number(scalars, "beta1"),
                    beta2: try number(scalars, "beta2"), epsilon: try number(scalars, "epsilon"),
                    weightDecay: try number(scalars, "weight_decay"), step: step)
                backend.adamW(
                    parameter: parameter, gradient: try golden.tensor("gradient.\(step)", on: backend),
                    firstMoment: moments[0], secondMoment: moments[1], settings: settings)
                try expectClose(parameter, golden, "parameter.\(step)", set)
            }
            try expectClose(moments[0], golden, "first_moment", set)
            // beta2 is f32 here: 1 - 0.999 comes out 1.3e-5 too small, in the moment and in the bias correction
            // alike, so that it cancels from the parameter.
            try expectClose(moments[1], golden, "second_moment", set, relative: 2e-5)
        }
    }
}
