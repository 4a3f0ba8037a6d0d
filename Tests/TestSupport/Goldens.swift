// Finds and reads the committed reference results under Tests/Goldens.

internal import Checkpoints
internal import FileSupport
package import TensorEngine

/// Where the reference results lie.
package enum Goldens {
    /// The folder Tests/Goldens.
    package static let folder: String = {
        let here = #filePath
        let suffix = "/TestSupport/Goldens.swift"
        precondition(here.hasSuffix(suffix), "this file has moved: \(here)")
        return here.dropLast(suffix.count) + "/Goldens"
    }()

    /// A file or folder in it, e.g. `ops/linear.safetensors`.
    package static func path(_ relative: String) -> String { "\(folder)/\(relative)" }

    /// The numbers that a folder's manifest gives for a case, without those that are null.
    package static func scalars(_ caseName: String, in subfolder: String) throws -> [String: Double] {
        let location = path("\(subfolder)/manifest.json")
        guard let entry = try JSONParser.parse(fileAt: location)["cases"]?[caseName]?.objectValue else {
            throw InputError(location, "there is no case \(caseName)")
        }
        return Dictionary(
            uniqueKeysWithValues: entry.members.compactMap { key, value in
                value.doubleValue.map { (key, $0) }
            })
    }
}

/// One file of reference tensors.
package struct GoldenTensors {
    package let path: String
    private let file: SafetensorsFile

    /// - Parameter relative: path inside Tests/Goldens.
    package init(_ relative: String) throws {
        path = relative
        file = try SafetensorsFile(path: Goldens.path(relative))
    }

    package func shape(_ name: String) throws -> [Int] { try file.tensor(named: name).shape }

    package func floats(_ name: String) throws -> [Float] { try file.tensor(named: name).float32Values() }

    package func indices(_ name: String) throws -> [Int32] {
        let tensor = try file.tensor(named: name)
        guard tensor.type == .int32 else {
            throw InputError(tensor.location, expected: "type I32", found: tensor.type.rawValue)
        }
        return tensor.withBytes { bytes in
            (0..<tensor.elementCount).map { index in
                Int32(littleEndian: bytes.loadUnaligned(fromByteOffset: 4 * index, as: Int32.self))
            }
        }
    }

    /// The tensor with its first dimension as rows and all others as columns; a vector is one row.
    package func tensor(
        _ name: String, on backend: any Backend, type: ElementType = .float32
    ) throws -> Tensor {
        let shape = try shape(name)
        let rowCount = shape.count < 2 ? 1 : shape[0]
        let values = try floats(name)
        return backend.upload(values, rowCount: rowCount, width: values.count / max(rowCount, 1), type: type)
    }
}
