// Folders that are either wholly written or not there, and the files that accompany a model's weights.

import FileSupport
import Foundation

enum AtomicFolder {
    /// Fills a hidden folder beside `path` and renames it once `body` is done.
    ///
    /// - Throws: `InputError` when something other than an empty folder stands at `path`, or what `body` throws; the
    ///   partial folder is removed then.
    static func write(to path: String, _ body: (_ partial: String) throws(InputError) -> Void)
        throws(InputError)
    {
        let files = FileManager.default
        let status = FileStatus(path: path)
        let isEmptyFolder =
            status == .folder && (try? files.contentsOfDirectory(atPath: path))?.isEmpty == true
        guard status == .missing || isEmptyFolder else {
            throw InputError(
                path, status == .folder ? "this folder is not empty" : "there is a file of this name",
                advice: "Choose another folder, or remove this one.")
        }
        let target = URL(fileURLWithPath: path).standardizedFileURL
        let partial = target.deletingLastPathComponent().appendingPathComponent(
            ".\(target.lastPathComponent).\(UUID().uuidString).partial")
        do {
            try files.createDirectory(at: partial, withIntermediateDirectories: true)
        } catch {
            throw InputError(path, "cannot create the folder: \(error.localizedDescription)")
        }
        do throws(InputError) {
            try body(partial.path)
        } catch {
            try? files.removeItem(at: partial)
            throw error
        }
        do {
            if isEmptyFolder { try files.removeItem(at: target) }
            try files.moveItem(at: partial, to: target)
        } catch {
            try? files.removeItem(at: partial)
            throw InputError(path, "cannot put the written folder in place: \(error.localizedDescription)")
        }
    }
}

/// What makes a folder of weights a model that other tools load.
enum CompanionFiles {
    private static let names = [
        "generation_config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
        "tokenizer.model", "vocab.json", "merges.txt", "added_tokens.json", "chat_template.jinja",
        "chat_template.json", "LICENSE",
    ]

    /// Copies those that the source folder has.
    static func copy(from source: String, to target: String) throws(InputError) {
        for name in names where FileStatus(path: "\(source)/\(name)") == .file {
            let file = try MappedFile(path: "\(source)/\(name)")
            try file.withBytes { bytes throws(InputError) in
                try AtomicFile.write(to: "\(target)/\(name)", bytes: bytes)
            }
        }
    }
}
