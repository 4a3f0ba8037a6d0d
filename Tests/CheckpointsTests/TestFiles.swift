// Folders, goldens and damaged copies for the tests of this target.

import FileSupport
import Foundation

/// A golden made by tools/goldens/make_checkpoint_goldens.py.
func golden(_ name: String) -> String {
    URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("Goldens/checkpoints/\(name)").path
}

/// The bytes of a file.
func contents(_ path: String) throws -> [UInt8] { try MappedFile(path: path).withBytes { Array($0) } }

/// A fresh folder, removed afterwards.
func withFolder(_ body: (String) throws -> Void) throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try body(folder)
}

/// Writes without the syncing that makes `AtomicFile` and `Data` too slow for thousands of damaged copies.
func writeQuickly(_ bytes: [UInt8], to path: String) throws {
    struct WriteFailure: Error {}
    // Removed rather than cut: file systems sync a file that is cut and written again.
    unlink(path)
    guard let file = fopen(path, "w") else { throw WriteFailure() }
    let written = fwrite(bytes, 1, bytes.count, file)
    guard fclose(file) == 0, written == bytes.count else { throw WriteFailure() }
}

/// Reproducible randomness (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
