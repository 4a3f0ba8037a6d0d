// Reads one file of reference results.

package import Checkpoints
package import FileSupport
package import TensorEngine

/// Values of a golden file by name.
package struct GoldenTensors {
    package let file: SafetensorsFile

    package var names: [String] { file.tensorNames }

    package func floats(_ name: String) throws(InputError) -> [Float] {
        try file.tensor(named: name).float32Values()
    }

    package func shape(_ name: String) throws(InputError) -> [Int] { try file.tensor(named: name).shape }

    /// The tensor with its first dimension as rows and all others as columns; a vector is one row.
    package func tensor(_ name: String, on backend: any Backend) throws(InputError) -> Tensor {
        let shape = try shape(name)
        let rowCount = shape.count < 2 ? 1 : shape[0]
        let values = try floats(name)
        return backend.upload(
            values, rowCount: rowCount, width: values.count / max(rowCount, 1), type: .float32)
    }

    /// A tensor of 32-bit whole numbers.
    package func integers(_ name: String) throws(InputError) -> [Int32] {
        let tensor = try file.tensor(named: name)
        guard tensor.type == .int32 else {
            throw InputError(tensor.location, expected: "I32", found: tensor.type.rawValue)
        }
        return tensor.withBytes { bytes in
            (0..<tensor.elementCount).map { bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Int32.self) }
        }
    }
}
