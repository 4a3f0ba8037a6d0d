// What every kind of weight file offers: tensors by name.

package import FileSupport

/// A file or folder of named tensors.
package protocol WeightSource {
    /// The path, for errors.
    var path: String { get }
    /// Every tensor's name, in file order.
    var tensorNames: [String] { get }
    /// Whether there is such a tensor.
    func contains(_ name: String) -> Bool
    /// The tensor of this name.
    ///
    /// - Throws: `InputError` when there is none, or when it is of a type that this version cannot read.
    func tensor(named name: String) throws(InputError) -> StoredTensor
}

extension WeightSource {
    func missing(_ name: String) -> InputError {
        InputError(
            path, "there is no tensor \"\(name)\"", advice: NearestName.advice(for: name, among: tensorNames))
    }
}

/// Opens weights of whatever format.
package enum Weights {
    /// Opens a GGUF or safetensors file (told apart by content), or a folder of safetensors files.
    ///
    /// - Throws: `InputError` when there is nothing at the path, or not such weights.
    package static func open(_ path: String) throws(InputError) -> any WeightSource {
        if FileStatus(path: path) == .folder { return try SafetensorsFolder(path: path) }
        let file = try MappedFile(path: path)
        let isGGUF = file.withBytes { $0.starts(with: GGUFFile.magic) }
        return isGGUF ? try GGUFFile(file) : try SafetensorsFile(file)
    }
}
