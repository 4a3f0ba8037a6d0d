// Layers of configuration on top of each other: defaults, a file, `--set` assignments, flags.

import ConfigurationFiles
public import FileSupport

/// One source of settings, with the name that errors give it.
public struct ConfigurationLayer: Sendable {
    /// A path, or the flag as the user wrote it.
    public let name: String
    /// Settings in order: a key path (`optimizer.learning_rate`) or a section, and its value.
    let settings: [(path: String, value: JSONValue)]

    /// A value for one key path, for a flag.
    public init(name: String, path: String, value: JSONValue) {
        self.name = name
        settings = [(path, value)]
    }

    /// A JSON or YAML file.
    ///
    /// - Throws: `InputError` when it cannot be read or is malformed.
    public static func file(_ path: String) throws(InputError) -> ConfigurationLayer {
        ConfigurationLayer(
            name: path, settings: try ConfigurationFile.read(path).members.map { ($0.key, $0.value) })
    }

    /// `key.path=value`, as given to `--set`; the value is read as YAML: `1e-4`, `true`, `[q_proj, v_proj]`.
    ///
    /// - Throws: `InputError` when there is no "=" or the value is no YAML.
    public static func assignment(_ text: String) throws(InputError) -> ConfigurationLayer {
        let name = "--set \(text.prefix(100))"
        guard let equals = text.firstIndex(of: "="), equals != text.startIndex else {
            throw InputError(name, expected: "key.path=value", found: "\"\(text.prefix(100))\"")
        }
        let value = try ConfigurationFile.yaml(String(text[text.index(after: equals)...]), location: name)
        let path = text[..<equals].trimmingPrefix(while: \.isWhitespace)
        return ConfigurationLayer(name: name, settings: [(String(path), value)])
    }

    private init(name: String, settings: [(path: String, value: JSONValue)]) {
        self.name = name
        self.settings = settings
    }
}

extension TrainingConfiguration {
    /// The defaults with the layers on top, later ones winning, checked.
    ///
    /// - Throws: `InputError` naming the layer, the key, and the nearest known key for one that is unknown.
    public static func resolve(_ layers: [ConfigurationLayer]) throws(InputError) -> TrainingConfiguration {
        let schema = TrainingConfiguration().document
        var document = schema
        var configuration = TrainingConfiguration()
        var origins = ConfigurationOrigins()
        for layer in layers {
            var overlay = ConfigurationOverlay(schema: schema, document: document, layer: layer.name)
            for (path, value) in layer.settings { try overlay.apply(value, at: path) }
            overlay.clearOverruled()
            document = overlay.document
            for path in overlay.written { origins.layerOfPath[path] = layer.name }
            // Decoded layer by layer, so that a wrong type is blamed on the layer that brought it.
            configuration = try ConfigurationDecoder.decode(Self.self, from: document, layer: layer.name)
        }
        try configuration.validate(origins)
        return configuration
    }

    /// Reads a document that `document` made, e.g. the one in a run folder.
    ///
    /// - Throws: `InputError` for anything that this version does not know.
    public init(document: JSONValue, location: String) throws(InputError) {
        guard let object = document.objectValue else {
            throw InputError(location, expected: "an object", found: document.kindName)
        }
        let schema = TrainingConfiguration().document
        var overlay = ConfigurationOverlay(schema: schema, document: schema, layer: location)
        for (key, value) in object.members { try overlay.apply(value, at: key) }
        self = try ConfigurationDecoder.decode(Self.self, from: overlay.document, layer: location)
    }

    /// The whole configuration as a tree with every key, nil as null.
    public var document: JSONValue { ConfigurationEncoder.encode(self) }
}

/// Which layer set which key, for the errors of checks that come after all layers.
struct ConfigurationOrigins {
    var layerOfPath: [String: String] = [:]

    func location(_ path: String) -> String { "\(layerOfPath[path] ?? "configuration") key \(path)" }
}

/// Puts one layer's settings into the tree of all keys.
private struct ConfigurationOverlay {
    /// The tree of the defaults: which keys there are.
    let schema: JSONValue
    var document: JSONValue
    let layer: String
    /// Leaves that this layer has set; setting one twice, perhaps by two names, is an error.
    var written: Set<String> = []

    init(schema: JSONValue, document: JSONValue, layer: String) {
        self.schema = schema
        self.document = document
        self.layer = layer
    }

    /// - Parameter path: one of our key paths, or another tool's key.
    mutating func apply(_ value: JSONValue, at path: String) throws(InputError) {
        let location = "\(layer) key \(path.prefix(100))"
        let keys = path.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        var alias: ConfigurationAlias?
        if schema[keys[0]] == nil {
            alias = ConfigurationAlias.all.first { $0.name == path }
        } else if value.objectValue == nil {
            alias = ConfigurationAlias.sections.first { $0.name == path }
        }
        guard let alias else { return try set(value, at: keys, in: schema, parents: []) }
        for (path, value) in try alias.assignments(of: value, location: location) {
            try set(value, at: path.split(separator: ".").map(String.init), in: schema, parents: [])
        }
    }

    /// Keys of which the second, when set, makes the first count for nothing.
    private static let overruling = [
        ("epochs", ["steps"]), ("data.validation_share", ["data", "validation"]),
        ("schedule.warmup_ratio", ["schedule", "warmup_steps"]),
        ("adapter.layers", ["adapter", "last_layers"]),
        ("adapter.last_layers", ["adapter", "layers"]),
    ]

    /// A layer that sets `epochs` means it, although a layer beneath has set `steps`.
    mutating func clearOverruled() {
        for (path, stronger) in Self.overruling
        where written.contains(path) && !written.contains(stronger.joined(separator: ".")) {
            document = replacing(document, at: stronger[...], with: .null)
        }
    }

    private mutating func set(
        _ value: JSONValue, at keys: [String], in schema: JSONValue, parents: [String]
    ) throws(InputError) {
        guard let key = keys.first else { return try set(value, over: schema, at: parents) }
        guard let member = schema[key] else { throw unknown(key, in: schema, parents: parents) }
        try set(value, at: Array(keys.dropFirst()), in: member, parents: parents + [key])
    }

    private mutating func set(
        _ value: JSONValue, over schema: JSONValue, at path: [String]
    ) throws(InputError) {
        if case .object(let section) = schema, section.count > 0 {
            guard case .object(let members) = value else {
                throw InputError(
                    "\(layer) key \(path.joined(separator: "."))", expected: "an object of keys",
                    found: value.kindName, advice: "Its keys are \(section.keys.joined(separator: ", ")).")
            }
            for (key, member) in members.members {
                try set(member, at: [key], in: schema, parents: path)
            }
            return
        }
        let name = path.joined(separator: ".")
        guard written.insert(name).inserted else {
            throw InputError("\(layer) key \(name)", "the key is set twice, perhaps by two of its names")
        }
        // One value where a list belongs is a list of one.
        let isLoneElement = schema.arrayValue != nil && value.stringValue != nil
        document = replacing(document, at: path[...], with: isLoneElement ? .array([value]) : value)
    }

    private func replacing(_ tree: JSONValue, at path: ArraySlice<String>, with value: JSONValue) -> JSONValue
    {
        guard let key = path.first, case .object(var object) = tree else { return value }
        object[key] = replacing(object[key] ?? .null, at: path.dropFirst(), with: value)
        return .object(object)
    }

    private func unknown(_ key: String, in schema: JSONValue, parents: [String]) -> InputError {
        let name = (parents + [String(key.prefix(60))]).joined(separator: ".")
        guard let known = schema.objectValue?.keys else {
            return InputError(
                "\(layer) key \(name)",
                "\(parents.joined(separator: ".")) is one value and has no keys below it")
        }
        // The key may be right and its place wrong: "rank" is meant as "adapter.rank".
        let elsewhere = self.schema.objectValue?.members.first {
            $0.value[key] != nil && $0.key != parents.first
        }
        let aliases = parents.isEmpty ? ConfigurationAlias.all.map(\.name) : []
        let advice =
            elsewhere.map { "Did you mean \"\($0.key).\(key)\"?" }
            ?? NearestName.advice(for: key, among: known + aliases)
            ?? "Known keys are \(known.joined(separator: ", "))."
        return InputError("\(layer) key \(name)", "there is no such key", advice: advice)
    }
}
