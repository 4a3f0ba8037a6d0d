// Root-mean-square norms with the family's way of storing the weight.

import FileSupport
import TensorEngine

/// y = x / rms(x) * (weight + offset), over whole rows or head by head.
struct Normalization {
    /// f32 [D], or [K] for norms of heads.
    let weight: Tensor
    let offset: Float
    let epsilon: Float

    /// - Parameter divisor: divides every result.
    init(
        _ weights: ScopedWeights, count: Int, _ configuration: DecoderConfiguration, divisor: Float = 1
    ) throws(InputError) {
        weight = try weights.vector("weight", count: count, divisor: divisor)
        offset = configuration.normOffset / divisor
        epsilon = configuration.normEpsilon
    }

    func callAsFunction(_ x: Variable, on tape: Tape) -> Variable {
        tape.rmsNorm(x, weight: weight, offset: offset, epsilon: epsilon)
    }

    /// Normalises every run of columns as long as the weight by itself: each head of x [T, heads * K], or all of it.
    func inGroups(_ x: Variable, on tape: Tape) -> Variable {
        let (rows, width) = (x.value.rowCount, x.value.width)
        if width == weight.count { return self(x, on: tape) }
        let heads = tape.reshaped(x, rowCount: rows * width / weight.count, width: weight.count)
        return tape.reshaped(self(heads, on: tape), rowCount: rows, width: width)
    }
}

extension Tape {
    /// The same elements as rows of another width.
    fileprivate func reshaped(_ x: Variable, rowCount: Int, width: Int) -> Variable {
        let value = x.value.reshaped(rowCount: rowCount, width: width)
        guard isRecording, let slot = x.gradientSlot else { return constant(value) }
        let (oldRowCount, oldWidth) = (x.value.rowCount, x.value.width)
        let making = x.saved.making.map { make in { make().reshaped(rowCount: rowCount, width: width) } }
        return record(value, making: making) { [backend] gradient in
            slot.contribute(gradient.reshaped(rowCount: oldRowCount, width: oldWidth), on: backend)
        }
    }
}

extension Tensor {
    fileprivate func reshaped(rowCount: Int, width: Int) -> Tensor {
        precondition(
            isContiguous && rowCount * width == count,
            "reshape \(shapeDescription) to [\(rowCount), \(width)]")
        return Tensor(storage: storage, offset: offset, rowCount: rowCount, width: width, type: type)
    }
}
