// Reading the reference results under Tests/Goldens, and the one way in which tests compare numbers.

package import Checkpoints
package import FileSupport

/// A folder of goldens, found beside this file whatever the working directory.
package struct GoldenFolder {
    package let path: String

    package init(_ name: String) { path = "\(Self.root)/\(name)" }

    package func file(_ name: String) -> String { "\(path)/\(name)" }

    /// The tensors of a safetensors file in this folder.
    package func tensors(_ name: String = "expected.safetensors") throws(InputError) -> GoldenTensors {
        GoldenTensors(file: try SafetensorsFile(path: file(name)))
    }

    private static let root: String = {
        let here = #filePath
        let testFolder = here.split(separator: "/", omittingEmptySubsequences: false).dropLast(2)
        return testFolder.joined(separator: "/") + "/Goldens"
    }()
}

/// Values of a golden file by name.
package struct GoldenTensors {
    package let file: SafetensorsFile

    package var names: [String] { file.tensorNames }

    package func floats(_ name: String) throws(InputError) -> [Float] {
        try file.tensor(named: name).float32Values()
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

/// The largest |a - b|; infinite when lengths differ or a number is not finite.
package func largestDifference(_ left: [Float], _ right: [Float]) -> Float {
    guard left.count == right.count else { return .infinity }
    var largest: Float = 0
    for (a, b) in zip(left, right) {
        guard a.isFinite, b.isFinite else { return .infinity }
        largest = max(largest, abs(a - b))
    }
    return largest
}
