// What the GGUF writer writes, the reader reads; tools/checks/check_files.py shows the same of the `gguf` package.

import Checkpoints
import FileSupport
import Testing

@Suite struct GGUFWritingTests {
    @Test func writesWhatItReads() throws {
        try withFolder { folder in
            let path = "\(folder)/a.gguf"
            let values = (0..<192).map { Float($0) / 64 - 1 }
            try GGUFWriter.write(
                metadata: [
                    ("general.type", .string("adapter")), ("a.bool", .bool(true)), ("a.u32", .uint32(.max)),
                    ("a.i32", .int32(-7)), ("a.u64", .uint64(1 << 40)), ("a.f32", .float32(16)),
                    ("a.strings", .strings(["x", "", "é"])), ("a.i32s", .int32s([-1, 2])),
                    ("a.u32s", .uint32s([3])),
                    ("a.f32s", .float32s([0.5])),
                ],
                tensors: [
                    OutputTensor(name: "odd", type: .float16, shape: [3], values: [1, 2, 3]),
                    OutputTensor(name: "q8", type: .q8_0, shape: [2, 96], values: values),
                    OutputTensor(name: "f32", type: .float32, shape: [2, 3, 32], values: values),
                    OutputTensor(name: "bf16", type: .bfloat16, shape: [192], values: values),
                ], to: path)
            let file = try GGUFFile(path: path)
            #expect(file.tensorNames == ["odd", "q8", "f32", "bf16"])
            #expect(try file.metadata.string("general.type") == "adapter")
            #expect(try file.metadata.bool("a.bool"))
            #expect(try file.metadata.integer("a.u32") == Int(UInt32.max))
            #expect(try file.metadata.integer("a.i32") == -7)
            #expect(try file.metadata.integer("a.u64") == 1 << 40)
            #expect(try file.metadata.number("a.f32") == 16)
            #expect(try file.metadata.array("a.strings").strings() == ["x", "", "é"])
            #expect(try file.metadata.array("a.i32s").integers() == [-1, 2])
            #expect(try file.metadata.array("a.u32s").integers() == [3])
            #expect(try file.metadata.array("a.f32s").doubles() == [0.5])
            #expect(try file.tensor(named: "odd").float32Values() == [1, 2, 3])
            #expect(try file.tensor(named: "f32").shape == [2, 3, 32])
            #expect(try file.tensor(named: "f32").float32Values() == values)
            // These values need seven fraction bits at most, which bf16 has.
            #expect(try file.tensor(named: "bf16").float32Values() == values)
            // Half a step of the largest value's scale, and the scale's own rounding to f16.
            let tolerance: Float = 1.0 / 127 + 2.0 / 2048
            for (decoded, value) in zip(try file.tensor(named: "q8").float32Values(), values) {
                #expect(abs(decoded - value) <= tolerance)
            }
        }
    }

    @Test func quantisesTheSameBytesAsTheGGUFPackage() throws {
        try withFolder { folder in
            let source = try GGUFFile(path: golden("every-type.gguf"))
            let values = try source.tensor(named: "blk.0.f32.weight").float32Values()
            // The values behind the golden differ from tensor to tensor, so decode and encode again: q8_0 of values
            // that are already on its grid gives the same bytes.
            let stored = try source.tensor(named: "blk.0.q8_0.weight")
            let again = OutputTensor(
                name: "again", type: .q8_0, shape: [3, 64], values: try stored.float32Values())
            let other = OutputTensor(name: "other", type: .q8_0, shape: [3, 64], values: values)
            try GGUFWriter.write(metadata: [], tensors: [again, other], to: "\(folder)/a.gguf")
            let file = try GGUFFile(path: "\(folder)/a.gguf")
            #expect(try file.tensor(named: "again").withBytes { Array($0) } == stored.withBytes { Array($0) })
            let decoded = try file.tensor(named: "other").float32Values()
            for (value, decoded) in zip(values, decoded) { #expect(abs(value - decoded) < 0.02) }
        }
    }
}
