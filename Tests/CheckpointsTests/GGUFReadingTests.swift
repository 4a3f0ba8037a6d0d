// Reading what the `gguf` package wrote: metadata of every type, tensors of every format, decoded to the same bits.

import Checkpoints
import FileSupport
import Testing

@Suite struct GGUFReadingTests {
    private func open() throws -> GGUFFile { try GGUFFile(path: golden("every-type.gguf")) }

    @Test func readsMetadataOfEveryType() throws {
        let file = try open()
        #expect(file.version == 3)
        let metadata = file.metadata
        #expect(try metadata.string("general.architecture") == "llama")
        #expect(try metadata.integer("test.uint8") == 200)
        #expect(try metadata.integer("test.int8") == -100)
        #expect(try metadata.integer("test.uint16") == 60_000)
        #expect(try metadata.integer("test.int16") == -30_000)
        #expect(try metadata.integer("test.uint32") == 4_000_000_000)
        #expect(try metadata.integer("test.int32") == -2_000_000_000)
        #expect(try metadata.integer("test.int64") == -(1 << 62))
        #expect(throws: InputError.self) { try metadata.integer("test.uint64") }
        #expect(try metadata.number("test.uint64") == 0x1p63)
        #expect(try metadata.number("test.float32") == Double(Float(0.1)))
        #expect(try metadata.number("test.float64") == 0.1)
        #expect(try metadata.bool("test.bool"))
        #expect(try metadata.string("test.string") == "naïve 😀")
        #expect(try metadata.array("test.strings").strings() == ["a", "", "é", "日本"])
        #expect(try metadata.array("test.integers").integers() == [1, -2, 3])
        #expect(try metadata.array("test.floats").doubles() == [0.5, -1.25])
        #expect(try metadata.array("test.bools").elements().map(\.boolValue) == [true, false])
        var lengths: [Int] = []
        try metadata.array("test.strings").forEachString { lengths.append($0.count) }
        #expect(lengths == [1, 0, 2, 6])
    }

    @Test func namesKeyAndKindWhenMetadataDiffer() throws {
        let metadata = try open().metadata
        #expect(
            throws: InputError(
                "\(metadata.path) metadata test.string", expected: "a whole number", found: "a string")
        ) { try metadata.integer("test.string") }
        #expect(
            throws: InputError(
                metadata.path, "there is no metadata key test.strin", advice: "Did you mean \"test.string\"?")
        ) { try metadata.string("test.strin") }
        #expect(throws: InputError.self) { try metadata.array("test.integers").strings() }
        #expect(throws: InputError.self) { try metadata.array("test.strings").integers() }
        #expect(throws: InputError.self) { try metadata.array("test.strings").doubles() }
    }

    @Test(arguments: ["f32", "f16", "bf16", "q4_0", "q4_1", "q5_0", "q5_1", "q8_0"])
    func decodesBlocksToTheSameBitsAsTheGGUFPackage(_ type: String) throws {
        try checkDecoding(
            of: type, shape: [3, 64], in: "every-type.gguf", expected: "every-type-gguf-as-f32.safetensors")
    }

    @Test(arguments: ["q2_k", "q3_k", "q4_k", "q5_k", "q6_k", "iq4_nl", "iq4_xs"])
    func decodesRandomBlocksWithExtremeScalesToTheSameBits(_ type: String) throws {
        try checkDecoding(
            of: type, shape: [4, 512], in: "block-types.gguf", expected: "block-types-as-f32.safetensors")
    }

    private func checkDecoding(of type: String, shape: [Int], in file: String, expected: String) throws {
        let name = "blk.0.\(type).weight"
        let tensor = try GGUFFile(path: golden(file)).tensor(named: name)
        #expect(tensor.type.rawValue == type.uppercased())
        #expect(tensor.shape == shape)
        #expect(tensor.isDecodable)
        let expected = try SafetensorsFile(path: golden(expected)).tensor(named: name).float32Values()
        #expect(try tensor.float32Values().map(\.bitPattern) == expected.map(\.bitPattern))
        let (last, width) = (shape[0] - 1, shape[1])
        var row = [Float](repeating: 0, count: width)
        try row.withUnsafeMutableBufferPointer { try tensor.decode(rows: last..<last + 1, into: $0) }
        #expect(row == Array(expected[(last * width)...]))
        var brain = [UInt16](repeating: 0, count: expected.count)
        try brain.withUnsafeMutableBufferPointer {
            try tensor.decode(rows: 0..<shape[0], intoBFloat16: $0)
        }
        for (brain, value) in zip(brain, expected) {
            // Twice the value's neighbours bracket it: the nearest bf16, with ties to the even one.
            let kept = value.bitPattern & 0xFFFF
            let up = kept > 0x8000 || (kept == 0x8000 && value.bitPattern & 0x1_0000 != 0)
            #expect(UInt32(brain) == (value.bitPattern >> 16) + (up ? 1 : 0))
        }
    }

    @Test func refusesToDecodeATypeItKnowsByNameOnly() throws {
        let file = try open()
        #expect(file.contains("blk.1.iq2_xxs.weight"))
        let error = #expect(throws: InputError.self) { try file.tensor(named: "blk.1.iq2_xxs.weight") }
        #expect(error?.location == "\(file.path) tensor blk.1.iq2_xxs.weight")
        #expect(error?.problem.contains("IQ2_XXS") == true)
        // The advice names every type that decodes, and no other.
        #expect(error?.advice?.contains(" Q4_K,") == true)
        #expect(error?.advice?.contains("I32") == false)
    }

    @Test func readsVersionTwoAndNoOther() throws {
        try withFolder { folder in
            var bytes = try contents(golden("every-type.gguf"))
            for (version, isRead) in [(0, false), (1, false), (2, true), (3, true), (4, false)]
                as [(UInt8, Bool)]
            {
                bytes[4] = version
                try writeQuickly(bytes, to: "\(folder)/a.gguf")
                if isRead {
                    #expect(try GGUFFile(path: "\(folder)/a.gguf").version == Int(version))
                } else {
                    #expect(throws: InputError.self) { try GGUFFile(path: "\(folder)/a.gguf") }
                }
            }
            bytes.replaceSubrange(4..<8, with: [0, 0, 0, 3])
            try writeQuickly(bytes, to: "\(folder)/a.gguf")
            let error = #expect(throws: InputError.self) { try GGUFFile(path: "\(folder)/a.gguf") }
            #expect(error?.advice == "It is a big-endian file, which is not supported.")
        }
    }

    @Test func opensWeightsByContent() throws {
        #expect(try Weights.open(golden("every-type.gguf")) is GGUFFile)
        #expect(try Weights.open(golden("every-type.safetensors")) is SafetensorsFile)
        #expect(try Weights.open(golden("sharded")) is SafetensorsFolder)
        #expect(throws: InputError.self) { try Weights.open(golden("manifest.json")) }
        #expect(throws: InputError.self) { try Weights.open(golden("nothing")) }
    }
}
