// The documentation's tables against the code: keys, defaults and names from other tools.

import FileSupport
import Foundation
import Testing

@testable import Training

@Suite struct DocumentationTests {
    @Test func tableOfKeysIsComplete() throws {
        let documented = Dictionary(try keyRows().map { ($0.key, $0.value) }) { first, _ in first }
        let actual = leaves(TrainingConfiguration().document)
        #expect(Set(documented.keys) == Set(actual.map(\.key)))
        for (key, value) in actual {
            let stated = documented[key]
            #expect(
                stated == value || (stated?.doubleValue != nil && stated?.doubleValue == value.doubleValue),
                "\(key) is documented as \(stated?.serialized() ?? "nothing"), not \(value.serialized())")
        }
    }

    @Test func everyNameFromOtherToolsIsMentioned() throws {
        let section = try #require(
            try page("Configuration").split(separator: "## Names from other tools").last)
        for alias in ConfigurationAlias.all {
            #expect(section.contains("`\(alias.name)`"), "\(alias.name)")
        }
    }

    @Test func everyDataFormatIsMentioned() throws {
        let text = try page("DataFormats")
        for format in DataFormat.allCases where format != .automatic {
            #expect(text.contains("| `\(format.rawValue)` |"), "\(format.rawValue)")
        }
        for policy in OverlongChoice.allCases {
            #expect(text.contains("- `\(policy.rawValue)` "), "\(policy.rawValue)")
        }
    }

    /// Rows "| `key` | `default` | meaning |".
    private func keyRows() throws -> [(key: String, value: JSONValue)] {
        try page("Configuration").split(separator: "\n").compactMap { line in
            let cells = line.split(separator: "`", omittingEmptySubsequences: false)
            guard cells.count >= 5, cells[0] == "| ", cells[2] == " | ", cells[4].hasPrefix(" | ") else {
                return nil
            }
            return (String(cells[1]), try JSONParser.parse(String(cells[3]), location: String(line)))
        }
    }

    private func leaves(_ document: JSONValue, _ path: String = "") -> [(key: String, value: JSONValue)] {
        guard case .object(let object) = document, object.count > 0 else { return [(path, document)] }
        return object.members.flatMap { leaves($0.value, path.isEmpty ? $0.key : "\(path).\($0.key)") }
    }

    private func page(_ name: String) throws -> String {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let path = root.appendingPathComponent("Sources/SparseLoRA/SparseLoRA.docc/\(name).md")
        return try String(contentsOf: path, encoding: .utf8)
    }
}
