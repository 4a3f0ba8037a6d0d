// Finds the committed reference results under Tests/Goldens.

internal import Checkpoints
package import FileSupport

/// A folder of goldens, found beside this file whatever the working directory.
package struct GoldenFolder {
    package let path: String

    package init(_ name: String) { path = "\(Self.root)/\(name)" }

    package func file(_ name: String) -> String { "\(path)/\(name)" }

    /// The tensors of a safetensors file in this folder.
    package func tensors(_ name: String = "expected.safetensors") throws(InputError) -> GoldenTensors {
        GoldenTensors(file: try SafetensorsFile(path: file(name)))
    }

    /// The numbers that the folder's manifest gives for a case, without those that are null.
    package func scalars(_ caseName: String) throws(InputError) -> [String: Double] {
        let location = file("manifest.json")
        guard let entry = try JSONParser.parse(fileAt: location)["cases"]?[caseName]?.objectValue else {
            throw InputError(location, "there is no case \(caseName)")
        }
        var scalars: [String: Double] = [:]
        for (key, value) in entry.members { scalars[key] = value.doubleValue }
        return scalars
    }

    private static let root: String = {
        let here = #filePath
        let testFolder = here.split(separator: "/", omittingEmptySubsequences: false).dropLast(2)
        return testFolder.joined(separator: "/") + "/Goldens"
    }()
}
