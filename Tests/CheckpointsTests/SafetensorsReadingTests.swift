// Reading what the official safetensors package wrote, and refusing headers that lie.

import Checkpoints
import FileSupport
import Testing

@Suite struct SafetensorsReadingTests {
    @Test func readsEveryTypeOfTheOfficialPackage() throws {
        let file = try SafetensorsFile(path: golden("every-type.safetensors"))
        #expect(file.metadata.map(\.key).sorted() == ["format", "note"])
        #expect(file.metadata.first { $0.key == "note" }?.value == "é \"quoted\"")
        for type in StoredType.allCases where !type.isBlockQuantised {
            #expect(try file.tensor(named: type.rawValue).type == type)
        }
        let integers: [UInt8] = [1, 2, 3, 4, 5, 127]
        for name in ["I64", "I32", "I16", "I8", "U64", "U32", "U16", "U8"] {
            let tensor = try file.tensor(named: name)
            #expect(tensor.shape == [2, 3])
            let size = tensor.type.block.byteCount
            let expected = integers.flatMap { [$0] + [UInt8](repeating: 0, count: size - 1) }
            #expect(tensor.withBytes { $0.elementsEqual(expected) }, "\(name)")
        }
        #expect(try file.tensor(named: "BOOL").withBytes { Array($0) } == [1, 0, 1])
        #expect(try file.tensor(named: "scalar").shape == [])
        #expect(try file.tensor(named: "scalar").float32Values() == [2.5])
        #expect(try file.tensor(named: "empty").shape == [0, 4])
        #expect(try file.tensor(named: "empty").float32Values() == [])
    }

    @Test(arguments: ["F32", "F16", "BF16"])
    func decodesFloatsAsPyTorchDoes(_ name: String) throws {
        let values = try SafetensorsFile(path: golden("every-type.safetensors")).tensor(named: name)
        let expected = try SafetensorsFile(path: golden("every-type-as-f32.safetensors")).tensor(named: name)
        #expect(try values.float32Values().map(\.bitPattern) == expected.float32Values().map(\.bitPattern))
    }

    @Test func decodesOnlyFloats() throws {
        let tensor = try SafetensorsFile(path: golden("every-type.safetensors")).tensor(named: "I32")
        #expect(!tensor.isDecodable)
        #expect(throws: InputError(tensor.location, expected: "floating-point weights", found: "type I32")) {
            try tensor.float32Values()
        }
    }

    @Test func suggestsTheNearestNameForAMissingTensor() throws {
        let file = try SafetensorsFile(path: golden("every-type.safetensors"))
        #expect(!file.contains("scalr"))
        #expect(
            throws: InputError(
                file.path, "there is no tensor \"scalr\"", advice: "Did you mean \"scalar\"?")
        ) { try file.tensor(named: "scalr") }
    }

    /// A file with this header and so many bytes of data.
    private func open(_ header: String, dataLength: Int, headerLength: UInt64? = nil) throws {
        try withFolder { folder in
            let length = headerLength ?? UInt64(header.utf8.count)
            let prefix = withUnsafeBytes(of: length.littleEndian) { Array($0) }
            let path = "\(folder)/a.safetensors"
            try writeQuickly(prefix + header.utf8 + [UInt8](repeating: 0, count: dataLength), to: path)
            _ = try SafetensorsFile(path: path)
        }
    }

    private func entry(_ name: String, _ type: String, _ shape: String, _ offsets: String) -> String {
        "\"\(name)\": {\"dtype\": \"\(type)\", \"shape\": \(shape), \"data_offsets\": \(offsets)}"
    }

    @Test func acceptsSmallHandMadeFiles() throws {
        try open("{}", dataLength: 0)
        try open("{}   ", dataLength: 0)
        try open("{\(entry("a", "F32", "[2]", "[0, 8]"))}", dataLength: 8)
        try open(
            "{\(entry("b", "U8", "[3]", "[8, 11]")), \(entry("a", "F32", "[2]", "[0, 8]")), "
                + "\(entry("c", "F32", "[0]", "[8, 8]"))}", dataLength: 11)
    }

    @Test func refusesHeadersThatLie() {
        let a = entry("a", "F32", "[2]", "[0, 8]")
        let wrong: [(String, Int)] = [
            ("", 0), ("[]", 0), (" {}", 0), ("{", 0), ("{\"a\": 1}", 0), ("{}", 1), ("{\(a)}", 7),
            ("{\(a)}", 9),
            ("{\(a), \(a)}", 8), ("{\(a), \(entry("a", "F32", "[2]", "[8, 16]"))}", 16),
            ("{\(entry("a", "Q4_0", "[32]", "[0, 18]"))}", 18),
            ("{\(entry("a", "F33", "[2]", "[0, 8]"))}", 8),
            ("{\(entry("a", "F32", "[-2]", "[0, 8]"))}", 8), ("{\(entry("a", "F32", "[2.0]", "[0, 8]"))}", 8),
            ("{\(entry("a", "F32", "[3]", "[0, 8]"))}", 8), ("{\(entry("a", "F32", "2", "[0, 8]"))}", 8),
            ("{\(entry("a", "F32", "[2]", "[8, 0]"))}", 8), ("{\(entry("a", "F32", "[2]", "[0]"))}", 8),
            ("{\(entry("a", "F32", "[2]", "[1, 9]"))}", 9), ("{\(entry("a", "F32", "[2]", "[-8, 0]"))}", 8),
            ("{\(a), \(entry("b", "F32", "[2]", "[4, 12]"))}", 12),
            ("{\(a), \(entry("b", "F32", "[2]", "[12, 20]"))}", 20),
            ("{\(entry("a", "F32", "[4611686018427387904, 4]", "[0, 0]"))}", 0),
            ("{\(entry("a", "F32", "[9223372036854775807, 9223372036854775807]", "[0, 4]"))}", 4),
            ("{\(entry("a", "F32", "[2]", "[0, 9223372036854775808]"))}", 8),
            ("{\(a), \"__metadata__\": {\"x\": 1}}", 8), ("{\(a), \"__metadata__\": []}", 8),
            ("{\"a\": {\"dtype\": \"F32\", \"shape\": [2]}}", 8),
            ("{\"a\": {\"shape\": [2], \"data_offsets\": [0, 8]}}", 8),
        ]
        for (header, dataLength) in wrong {
            #expect(throws: InputError.self, "\(header)") { try open(header, dataLength: dataLength) }
        }
        for headerLength: UInt64 in [0, 1, 3, 100_000_001, 1 << 62, 1 << 63, .max] {
            #expect(throws: InputError.self, "\(headerLength)") {
                try open("{}", dataLength: 0, headerLength: headerLength)
            }
        }
    }

    @Test func readsAShardedFolder() throws {
        let folder = try SafetensorsFolder(path: golden("sharded"))
        let names = (0..<3).map { "model.layers.\($0).weight" } + ["model.norm.weight"]
        #expect(folder.tensorNames == names)
        for name in names.prefix(3) { #expect(try folder.tensor(named: name).shape == [8, 16]) }
        #expect(
            try folder.tensor(named: "model.norm.weight").float32Values() == [Float](repeating: 1, count: 16))
        #expect(throws: InputError.self) { try folder.tensor(named: "model.layers.3.weight") }
    }

    @Test func refusesFoldersWhoseIndexAndShardsDisagree() throws {
        let shard = try contents(golden("sharded/model-00001-of-00003.safetensors"))
        func open(_ weightMap: String) throws {
            try withFolder { folder in
                try writeQuickly(shard, to: "\(folder)/one.safetensors")
                try writeQuickly(
                    Array("{\"weight_map\": \(weightMap)}".utf8), to: "\(folder)/model.safetensors.index.json"
                )
                _ = try SafetensorsFolder(path: folder)
            }
        }
        let name = "model.layers.0.weight"
        try open("{\"\(name)\": \"one.safetensors\"}")
        let wrong = [
            "{}x", "[]", "{\"\(name)\": 1}", "{\"\(name)\": \"two.safetensors\"}",
            "{\"\(name)\": \"../one.safetensors\"}",
            "{\"\(name)\": \"/one.safetensors\"}", "{\"\(name)\": \"one.bin\"}", "{\"\(name)\": \"\"}",
            "{\"\(name)\": \"..\\\\one.safetensors\"}", "{\"\(name)\": \".safetensors\"}",
            "{\"\(name)\": \"one.safetensors\", \"other\": \"one.safetensors\"}",
            "{\"other\": \"one.safetensors\"}",
        ]
        for weightMap in wrong {
            #expect(throws: InputError.self, "\(weightMap)") { try open(weightMap) }
        }
        try withFolder { folder in
            #expect(throws: InputError.self) { try SafetensorsFolder(path: folder) }
        }
    }
}
