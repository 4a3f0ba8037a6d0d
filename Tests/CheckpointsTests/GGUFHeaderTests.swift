// Hand-made GGUF headers: what is legal but unusual, and every count, size and offset that can lie.

import Checkpoints
import FileSupport
import Testing

/// Builds GGUF bytes field by field, with no check of their sense.
private struct HandMade {
    var bytes: [UInt8] = []

    mutating func add(_ value: some FixedWidthInteger) {
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }
    mutating func add(_ string: String) {
        add(UInt64(string.utf8.count))
        bytes += Array(string.utf8)
    }
    static func header(tensors: UInt64, metadata: UInt64) -> HandMade {
        var file = HandMade(bytes: Array("GGUF".utf8))
        file.add(UInt32(3))
        file.add(tensors)
        file.add(metadata)
        return file
    }
    static func tensor(
        dimensions: [UInt64] = [4], type: UInt32 = 0, offset: UInt64 = 0, count: UInt32? = nil
    ) -> HandMade {
        var file = header(tensors: 1, metadata: 0)
        file.addTensor("a", dimensions: dimensions, type: type, offset: offset, count: count)
        file.pad()
        return file
    }
    mutating func addTensor(
        _ name: String, dimensions: [UInt64], type: UInt32 = 0, offset: UInt64, count: UInt32? = nil
    ) {
        add(name)
        add(count ?? UInt32(dimensions.count))
        for dimension in dimensions { add(dimension) }
        add(type)
        add(offset)
    }
    mutating func pad() { bytes += [UInt8](repeating: 0, count: (32 - bytes.count % 32) % 32) }
    func data(_ count: Int) -> HandMade { HandMade(bytes: bytes + [UInt8](repeating: 1, count: count)) }

    @discardableResult
    func open() throws -> GGUFFile {
        var opened: GGUFFile?
        try withFolder { folder in
            try writeQuickly(bytes, to: "\(folder)/a.gguf")
            // The mapping outlives the removed file.
            opened = try GGUFFile(path: "\(folder)/a.gguf")
        }
        return try #require(opened)
    }
}

@Suite struct GGUFHeaderTests {
    @Test func acceptsAFileWithNothingInIt() throws {
        let file = try HandMade.header(tensors: 0, metadata: 0).open()
        #expect(file.tensorNames.isEmpty && file.metadata.keys.isEmpty)
    }

    @Test func reversesDimensions() throws {
        let file = try HandMade.tensor(dimensions: [4, 3, 2]).data(96).open()
        #expect(try file.tensor(named: "a").shape == [2, 3, 4])
        #expect(try HandMade.tensor(dimensions: []).data(4).open().tensor(named: "a").shape == [])
        #expect(try HandMade.tensor(dimensions: [0]).data(0).open().tensor(named: "a").float32Values() == [])
    }

    @Test func refusesTensorsThatLie() {
        let wrong: [(String, HandMade)] = [
            ("cut data", .tensor().data(15)), ("offset past the end", .tensor(offset: 32).data(16)),
            ("unaligned offset", .tensor(offset: 4).data(64)),
            ("huge offset", .tensor(offset: 1 << 62).data(16)),
            ("largest offset", .tensor(offset: .max - 31).data(16)),
            ("unknown type", .tensor(type: 4).data(16)),
            ("far type", .tensor(type: .max).data(16)),
            ("part of a block", .tensor(dimensions: [33], type: 2).data(99)),
            ("scalar block", .tensor(dimensions: [], type: 2).data(99)),
            ("huge dimension", .tensor(dimensions: [1 << 60]).data(16)),
            ("largest dimension", .tensor(dimensions: [.max]).data(16)),
            ("overflow", .tensor(dimensions: [1 << 32, 1 << 32]).data(16)),
            ("overflow to zero", .tensor(dimensions: [1 << 32, 1 << 32, 4]).data(16)),
            ("five dimensions", .tensor(dimensions: [1, 1, 1, 1, 1]).data(4)),
            ("dimension count", .tensor(count: .max).data(16)),
            ("empty tensor far away", .tensor(dimensions: [0], offset: 1 << 40).data(0)),
        ]
        for (name, file) in wrong {
            #expect(throws: InputError.self, "\(name)") { try file.open() }
        }
    }

    @Test func refusesOverlappingAndRepeatedTensors() throws {
        func twoTensors(_ second: String, offset: UInt64) throws {
            var file = HandMade.header(tensors: 2, metadata: 0)
            file.addTensor("a", dimensions: [16], offset: 0)
            file.addTensor(second, dimensions: [4], offset: offset)
            file.pad()
            try file.data(96).open()
        }
        try twoTensors("b", offset: 64)
        #expect(throws: InputError.self) { try twoTensors("b", offset: 32) }
        #expect(throws: InputError.self) { try twoTensors("b", offset: 0) }
        #expect(throws: InputError.self) { try twoTensors("a", offset: 64) }
    }

    @Test(arguments: [1 << 20, 1 << 60, UInt64.max])
    func refusesCountsThatLieBeforeAllocating(_ count: UInt64) {
        #expect(throws: InputError.self) { try HandMade.header(tensors: count, metadata: 0).data(100).open() }
        #expect(throws: InputError.self) { try HandMade.header(tensors: 0, metadata: count).data(100).open() }
        for elementType in UInt32(0)...12 {
            var file = HandMade.header(tensors: 0, metadata: 1)
            file.add("k")
            file.add(UInt32(9))
            file.add(elementType)
            file.add(count)
            #expect(throws: InputError.self) { try file.data(100).open() }
        }
        var file = HandMade.header(tensors: 0, metadata: 1)
        file.add("k")
        file.add(UInt32(8))
        file.add(count)
        #expect(throws: InputError.self) { try file.data(100).open() }
    }

    /// Arrays of one array each, `depth` of them, the innermost holding one byte.
    private func nested(_ depth: Int) -> HandMade {
        var file = HandMade.header(tensors: 0, metadata: 1)
        file.add("k")
        file.add(UInt32(9))
        for _ in 1..<depth {
            file.add(UInt32(9))
            file.add(UInt64(1))
        }
        file.add(UInt32(0))
        file.add(UInt64(1))
        file.add(UInt8(7))
        return file
    }

    @Test func readsNestedArraysToALimit() throws {
        let outer = try nested(2).open().metadata.array("k")
        #expect(outer.count == 1)
        #expect(try outer.elements().first?.arrayValue?.integers() == [7])
        #expect(throws: InputError.self) { try nested(10).data(100).open() }
        #expect(throws: InputError.self) { try nested(100_000).data(100).open() }
    }

    @Test func refusesBadMetadata() {
        func value(_ type: UInt32, _ bytes: [UInt8], key: String = "k", times: Int = 1) -> HandMade {
            var file = HandMade.header(tensors: 0, metadata: UInt64(times))
            for _ in 0..<times {
                file.add(key)
                file.add(type)
                file.bytes += bytes
            }
            return file
        }
        #expect(throws: Never.self) { try value(7, [1]).open() }
        #expect(throws: InputError.self, "a bool of 2") { try value(7, [2]).open() }
        #expect(throws: InputError.self, "no such type") { try value(13, [1, 2, 3, 4]).open() }
        #expect(throws: InputError.self, "key twice") { try value(0, [1], times: 2).open() }
        #expect(throws: InputError.self, "not UTF-8") { try value(8, [1, 0, 0, 0, 0, 0, 0, 0, 0xFF]).open() }
        for alignment: UInt32 in [0, 3, 31, 1 << 31] {
            let bytes = withUnsafeBytes(of: alignment.littleEndian) { Array($0) }
            #expect(throws: InputError.self, "alignment \(alignment)") {
                try value(4, bytes, key: "general.alignment").open()
            }
        }
    }

    @Test func honoursTheAlignmentOfTheFile() throws {
        var file = HandMade.header(tensors: 2, metadata: 1)
        file.add("general.alignment")
        file.add(UInt32(4))
        file.add(UInt32(8))
        file.addTensor("a", dimensions: [1], offset: 0)
        file.addTensor("b", dimensions: [1], offset: 8)
        file.bytes += [UInt8](repeating: 0, count: (8 - file.bytes.count % 8) % 8)
        file.add(Float(1).bitPattern)
        file.add(UInt32(0))
        file.add(Float(2).bitPattern)
        let opened = try file.open()
        #expect(try opened.tensor(named: "a").float32Values() == [1])
        #expect(try opened.tensor(named: "b").float32Values() == [2])
    }
}
