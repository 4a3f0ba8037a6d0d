// Writes the files that tools/checks/check_files.py lets the formats' own packages read. Runs only when asked to.

import Checkpoints
import FileSupport
import Foundation
import Testing

private let outputFolder = ProcessInfo.processInfo.environment["SPARSELORA_CHECK_FILES"]
private let modelPath = ProcessInfo.processInfo.environment["SPARSELORA_CHECK_MODEL"]

@Suite(.enabled(if: outputFolder != nil)) struct FilesForOtherReadersTests {
    /// Thirds: no value but every third is exact in any of the types.
    private let values = (0..<192).map { Float($0 - 96) / 3 }

    @Test func writeSafetensors() throws {
        let folder = try #require(outputFolder)
        let tensors = [
            OutputTensor(name: "half.odd", type: .float16, shape: [3], values: Array(values.prefix(3))),
            OutputTensor(name: "half", type: .float16, shape: [2, 96], values: values),
            OutputTensor(name: "brain", type: .bfloat16, shape: [2, 3, 32], values: values),
            OutputTensor(name: "full", type: .float32, shape: [192], values: values),
            OutputTensor(name: "empty", type: .float32, shape: [0, 5], values: []),
            OutputTensor(name: "naïve \"name\"\n", type: .float32, shape: [], values: [2.5]),
        ]
        let metadata: [(key: String, value: String)] = [("format", "pt"), ("note", "é\t\"x\"")]
        try SafetensorsWriter.write(tensors, metadata: metadata, to: "\(folder)/one.safetensors")
        _ = try SafetensorsWriter.write(
            tensors, metadata: metadata, toFolder: folder, maximumShardBytes: 500)
    }

    @Test func writeGGUF() throws {
        let folder = try #require(outputFolder)
        try GGUFWriter.write(
            metadata: [
                ("general.architecture", .string("llama")), ("general.type", .string("adapter")),
                ("test.bool", .bool(true)), ("test.uint32", .uint32(.max)), ("test.int32", .int32(-7)),
                ("test.uint64", .uint64(1 << 40)), ("test.float32", .float32(0.1)),
                ("test.strings", .strings(["x", "", "é"])), ("test.int32s", .int32s([-1, 2])),
                ("test.uint32s", .uint32s([3])), ("test.float32s", .float32s([0.5, 0.1])),
            ],
            tensors: [
                OutputTensor(name: "half.odd", type: .float16, shape: [3], values: Array(values.prefix(3))),
                OutputTensor(name: "half", type: .float16, shape: [2, 96], values: values),
                OutputTensor(name: "brain", type: .bfloat16, shape: [2, 3, 32], values: values),
                OutputTensor(name: "full", type: .float32, shape: [192], values: values),
                OutputTensor(name: "eight", type: .q8_0, shape: [2, 96], values: values),
            ], to: "\(folder)/one.gguf")
    }

    @Test(.enabled(if: modelPath != nil)) func decodeModel() throws {
        let folder = try #require(outputFolder)
        let source = try Weights.open(try #require(modelPath))
        let tensors = try source.tensorNames.map { name in
            let tensor = try source.tensor(named: name)
            return OutputTensor(name: name, type: .float32, shape: tensor.shape) { sink throws(InputError) in
                let values = try tensor.float32Values()
                try values.span.withUnsafeBufferPointer { buffer throws(InputError) in
                    try OutputTensor.encode(buffer, as: .float32, to: sink)
                }
            }
        }
        try SafetensorsWriter.write(tensors, to: "\(folder)/decoded.safetensors")
    }
}
