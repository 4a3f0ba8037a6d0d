// Compares the tape's gradients with differences of the forward pass.

import TensorEngine
import TestSupport
import Testing

/// A trainable input of an operation under test.
struct Leaf {
    let name: String
    let rowCount: Int
    let width: Int

    init(_ name: String, _ rowCount: Int, _ width: Int) {
        self.name = name
        self.rowCount = rowCount
        self.width = width
    }
}

/// A scalar of an operation's output: the sum over its elements with fixed random weights, in double. On a recording
/// tape the weights are also pushed back as the output's gradient.
func weightedSum(_ output: Variable, on tape: Tape, seed: UInt64 = 77) -> Double {
    var random = SeededRandom(seed: seed)
    let weights = random.floats(output.value.count)
    if tape.isRecording {
        let gradient = tape.backend.upload(
            weights, rowCount: output.value.rowCount, width: output.value.width, type: output.value.type)
        output.contribute(gradient, on: tape.backend)
    }
    return zip(tape.backend.download(output.value), weights).reduce(0) { $0 + Double($1.0) * Double($1.1) }
}

/// Checks d(objective)/d(leaf) for every leaf and instruction set, along random directions of +1 and -1.
///
/// The slope comes from central differences at steps of 0.02 and 0.01 with Richardson's extrapolation, so the error of
/// truncation is of fourth order (1e-7 of values near 1). Rounding in f32 leaves about 1e-6 in an objective of a
/// hundred terms near 1, hence 1e-4 in a slope, of a gradient whose length is some units. A tenth of a percent of the
/// gradient's length therefore holds for correct pullbacks, and a wrong one misses it by orders of magnitude.
func expectGradients(
    of leaves: [Leaf], seed: UInt64 = 1, limit: Float = 1, sourceLocation: SourceLocation = #_sourceLocation,
    objective: (Tape, [Parameter]) -> Double
) {
    forEachInstructionSet { set in
        let backend = CPUBackend()
        var random = SeededRandom(seed: seed)
        let values = leaves.map { random.floats($0.rowCount * $0.width, limit: limit) }
        func parameters(_ values: [[Float]]) -> [Parameter] {
            zip(leaves, values).map { leaf, values in
                Parameter(
                    name: leaf.name,
                    value: backend.upload(
                        values, rowCount: leaf.rowCount, width: leaf.width, type: .float32))
            }
        }
        let trained = parameters(values)
        let tape = Tape(backend: backend)
        _ = objective(tape, trained)
        tape.backward()
        #expect(tape.recordedCount == 0)

        for (number, leaf) in leaves.enumerated() {
            guard let gradientTensor = trained[number].gradient else {
                Issue.record("\(set) \(leaf.name): no gradient", sourceLocation: sourceLocation)
                continue
            }
            let gradient = backend.download(gradientTensor)
            let length = gradient.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
            for direction in 0..<4 {
                let signs: [Float] = gradient.map { _ in random.next() & 1 == 0 ? 1 : -1 }
                let expected = zip(gradient, signs).reduce(0) { $0 + Double($1.0 * $1.1) }
                func slope(_ step: Float) -> Double {
                    func objectiveMoved(by step: Float) -> Double {
                        var moved = values
                        moved[number] = zip(values[number], signs).map { $0 + step * $1 }
                        return objective(Tape(backend: backend, isRecording: false), parameters(moved))
                    }
                    return (objectiveMoved(by: step) - objectiveMoved(by: -step)) / (2 * Double(step))
                }
                let measured = (4 * slope(0.01) - slope(0.02)) / 3
                #expect(
                    abs(measured - expected) <= 1e-3 * length + 1e-4,
                    "\(set) d/d\(leaf.name), direction \(direction): gradient of length \(length)",
                    sourceLocation: sourceLocation)
            }
        }
    }
}
