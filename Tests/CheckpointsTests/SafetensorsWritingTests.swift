// What the writer writes, the reader reads; tools/checks/check_files.py shows the same of the official package.

import Checkpoints
import FileSupport
import Foundation
import Testing

@Suite struct SafetensorsWritingTests {
    @Test func writesWhatItReads() throws {
        try withFolder { folder in
            let path = "\(folder)/a.safetensors"
            let values: [Float] = [1, -2, 0.333_333_34, 65504, 1e-7, -0.0]
            let tensors = [
                OutputTensor(name: "half", type: .float16, shape: [5], values: Array(values.prefix(5))),
                OutputTensor(name: "brain", type: .bfloat16, shape: [3, 2], values: values),
                OutputTensor(name: "full", type: .float32, shape: [2, 3], values: values),
                OutputTensor(name: "none", type: .float32, shape: [0], values: []),
            ]
            try SafetensorsWriter.write(tensors, metadata: [("format", "pt"), ("key", "välue")], to: path)
            let file = try SafetensorsFile(path: path)
            #expect(file.metadata.map(\.key) == ["format", "key"])
            #expect(file.metadata.map(\.value) == ["pt", "välue"])
            #expect(file.tensorNames == ["full", "none", "half", "brain"])
            let full = try file.tensor(named: "full")
            #expect(try full.float32Values() == values)
            #expect(full.shape == [2, 3])
            let address = full.bytes.baseAddress.map { UInt(bitPattern: $0) }
            #expect(address?.isMultiple(of: 8) == true)
            #expect(
                try file.tensor(named: "half").float32Values() == values.prefix(5).map { Float(Float16($0)) })
            let brain = try file.tensor(named: "brain").float32Values()
            for (stored, value) in zip(brain, values) { #expect(abs(stored - value) <= abs(value) / 256) }
        }
    }

    @Test func copiesStoredTensors() throws {
        try withFolder { folder in
            let source = try SafetensorsFile(path: golden("every-type.safetensors"))
            let path = "\(folder)/copy.safetensors"
            let tensors = try source.tensorNames.map { OutputTensor(try source.tensor(named: $0)) }
            try SafetensorsWriter.write(tensors, metadata: [], to: path)
            let copy = try SafetensorsFile(path: path)
            #expect(copy.tensorNames.sorted() == source.tensorNames.sorted())
            for name in source.tensorNames {
                let (left, right) = (try source.tensor(named: name), try copy.tensor(named: name))
                #expect(left.type == right.type && left.shape == right.shape)
                #expect(left.withBytes { left in right.withBytes { left.elementsEqual($0) } }, "\(name)")
            }
        }
    }

    @Test func cutsLargeModelsIntoShards() throws {
        try withFolder { folder in
            let tensors = (0..<5).map { index in
                OutputTensor(
                    name: "t\(index)", type: .float32, shape: [index == 2 ? 100 : 10],
                    values: [Float](repeating: Float(index), count: index == 2 ? 100 : 10))
            }
            let names = try SafetensorsWriter.write(tensors, toFolder: folder, maximumShardBytes: 100)
            #expect(
                names == (1...3).map { "model-0000\($0)-of-00003.safetensors" } + [
                    "model.safetensors.index.json"
                ])
            let source = try SafetensorsFolder(path: folder)
            #expect(source.tensorNames == tensors.map(\.name))
            for (index, tensor) in tensors.enumerated() {
                #expect(
                    try source.tensor(named: tensor.name).float32Values().allSatisfy { $0 == Float(index) })
            }
            // One file beside an index: readers take the file, as they do elsewhere.
            let one = try SafetensorsWriter.write([tensors[4]], toFolder: folder, maximumShardBytes: 100)
            #expect(one == ["model.safetensors"])
            #expect(try SafetensorsFolder(path: folder).tensorNames == ["t4"])
            #expect(throws: InputError.self) {
                try SafetensorsWriter.write(tensors, toFolder: folder, maximumShardBytes: 100)
            }
        }
    }

    @Test func aFailingPayloadLeavesNoFile() throws {
        try withFolder { folder in
            let tensor = OutputTensor(name: "a", type: .float32, shape: [1]) { _ throws(InputError) in
                throw InputError("payload", "stopped")
            }
            #expect(throws: InputError("payload", "stopped")) {
                try SafetensorsWriter.write([tensor], to: "\(folder)/a.safetensors")
            }
            let left = try FileManager.default.contentsOfDirectory(atPath: folder)
            #expect(left.isEmpty)
        }
    }
}
