// Which files a user means by a path: one file, or a folder with a file for each part.

package import FileSupport

/// The files of a data set. Only the first is sure to be there.
package struct DatasetPaths: Equatable, Sendable {
    package var train: String
    package var valid: String?
    package var test: String?

    /// Looks at a path: a file is the training data; a folder holds `train.jsonl` and perhaps `valid.jsonl` and
    /// `test.jsonl` (or the same with `.json`).
    package init(path: String) throws(InputError) {
        switch FileStatus(path: path) {
        case .file:
            train = path
        case .folder:
            guard let train = Self.file("train", in: path) else {
                throw InputError(
                    path, "the folder has no train.jsonl",
                    advice:
                        "Name a data file, or a folder with train.jsonl and perhaps valid.jsonl and test.jsonl"
                )
            }
            self.train = train
            valid = Self.file("valid", in: path)
            test = Self.file("test", in: path)
        case .missing:
            throw InputError(path, "there is no such file or folder")
        case .other:
            throw InputError(path, expected: "a data file or folder", found: "a device or pipe")
        }
    }

    private static func file(_ name: String, in folder: String) -> String? {
        [".jsonl", ".json"].map { "\(folder)/\(name)\($0)" }.first { FileStatus(path: $0) == .file }
    }
}
