// Configuration values that are one word of a few: their errors list the words.

internal import FileSupport

/// A configuration value that is one of a few words.
public protocol ConfigurationChoice: RawRepresentable<String>, CaseIterable, Codable, Equatable, Sendable {}

extension ConfigurationChoice {
    /// Reads the word; "-" and "_" are alike.
    public init(from decoder: any Decoder) throws {
        let word = try decoder.singleValueContainer().decode(String.self)
        let words = Self.allCases.map(\.rawValue)
        let folded = word.replacing("-", with: "_")
        guard let value = Self(rawValue: word) ?? Self.allCases.first(where: { $0.rawValue == folded }) else {
            throw ConfigurationProblem(
                path: decoder.codingPath.map(\.stringValue),
                expected: "one of \(words.joined(separator: ", "))", found: "\"\(word.prefix(60))\"",
                advice: NearestName.advice(for: word, among: words))
        }
        self = value
    }
}

/// A value that does not fit its key, before it is known which file or flag set it.
struct ConfigurationProblem: Error {
    var path: [String]
    var expected: String
    var found: String
    var advice: String?

    func error(in layer: String) -> InputError {
        InputError(
            "\(layer) key \(path.joined(separator: "."))", expected: expected, found: found, advice: advice)
    }
}
