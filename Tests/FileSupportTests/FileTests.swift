// Mapped and atomic files against the real file system.

import FileSupport
import Foundation
import Testing

@Suite struct FileTests {
    /// A fresh folder, removed afterwards.
    private func withFolder(_ body: (String) throws -> Void) throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try body(folder)
    }

    @Test func mapsWhatWasWritten() throws {
        try withFolder { folder in
            let path = "\(folder)/data"
            let content = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
            try AtomicFile.write(to: path, bytes: content)
            let file = try MappedFile(path: path)
            #expect(file.withBytes { $0.elementsEqual(content) })
            file.advise(.sequential)
            file.advise(.willNeed, range: 5000..<50_000)
            file.advise(.dontNeed, range: 99_999..<100_000)
            #expect(file.withBytes { $0.elementsEqual(content) })
        }
    }

    @Test func mapsAnEmptyFileAsNoBytes() throws {
        try withFolder { folder in
            try AtomicFile.write(to: "\(folder)/empty", text: "")
            let file = try MappedFile(path: "\(folder)/empty")
            #expect(file.count == 0)
            file.advise(.willNeed)
        }
    }

    @Test func saysWhyAPathCannotBeMapped() throws {
        try withFolder { folder in
            #expect(throws: InputError("\(folder)/none", "cannot open the file: No such file or directory")) {
                try MappedFile(path: "\(folder)/none")
            }
            #expect(throws: InputError(folder, expected: "a file", found: "a folder")) {
                try MappedFile(path: folder)
            }
            #expect(throws: InputError("/dev/zero", expected: "a file", found: "a device or pipe")) {
                try MappedFile(path: "/dev/zero")
            }
        }
    }

    @Test func gathersSmallAndLargeAppendsInOrder() throws {
        try withFolder { folder in
            let path = "\(folder)/data"
            var expected: [UInt8] = []
            try AtomicFile.write(to: path) { sink throws(InputError) in
                for size in [1, 10, 300_000, 0, 200_000, 100_000, 262_144, 3] {
                    let part = [UInt8](repeating: UInt8(truncatingIfNeeded: size), count: size)
                    try sink.append(part)
                    expected += part
                }
                try sink.pad(toMultipleOf: 64)
                #expect(sink.count.isMultiple(of: 64))
            }
            expected += [UInt8](repeating: 0, count: (64 - expected.count % 64) % 64)
            #expect(try MappedFile(path: path).withBytes { $0.elementsEqual(expected) })
        }
    }

    @Test func aFailureLeavesTheOldFileAndNothingElse() throws {
        try withFolder { folder in
            let path = "\(folder)/data"
            try AtomicFile.write(to: path, text: "old")
            #expect(throws: InputError("here", "stopped")) {
                try AtomicFile.write(to: path) { sink throws(InputError) in
                    try sink.append([UInt8](repeating: 1, count: 1_000_000))
                    throw InputError("here", "stopped")
                }
            }
            #expect(try String(contentsOfFile: path, encoding: .utf8) == "old")
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["data"])
        }
    }

    @Test func namesTheReasonWhenThereIsNoFolderOrNoSpace() throws {
        try withFolder { folder in
            #expect(throws: InputError("\(folder)/a/b", "cannot create the file: No such file or directory"))
            {
                try AtomicFile.write(to: "\(folder)/a/b", text: "x")
            }
            try FileManager.default.createDirectory(atPath: "\(folder)/d", withIntermediateDirectories: true)
            #expect(throws: InputError("\(folder)/d", "cannot put the written file in place: Is a directory"))
            {
                try AtomicFile.write(to: "\(folder)/d", text: "x")
            }
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["d"])
        }
    }

    @Test func parsesAFileByPath() throws {
        try withFolder { folder in
            try AtomicFile.write(to: "\(folder)/a.json", text: "{\"a\": 1}\n")
            #expect(try JSONParser.parse(fileAt: "\(folder)/a.json")["a"] == .integer(1))
            try AtomicFile.write(to: "\(folder)/b.json", text: "")
            #expect(throws: InputError.self) { try JSONParser.parse(fileAt: "\(folder)/b.json") }
        }
    }
}
