// A model folder's weights: one model.safetensors, or shards listed in model.safetensors.index.json.

package import FileSupport

/// The safetensors files of a folder as one source.
package final class SafetensorsFolder: WeightSource {
    package let path: String
    package let tensorNames: [String]
    private let shardOfTensor: [String: SafetensorsFile]

    static let singleName = "model.safetensors"
    static let indexName = "model.safetensors.index.json"

    /// Opens `model.safetensors` where there is one, as other readers do, else what the index lists.
    ///
    /// - Throws: `InputError` when neither is there, a shard is missing or damaged, or index and shards disagree.
    package init(path: String) throws(InputError) {
        self.path = path
        if FileStatus(path: "\(path)/\(Self.singleName)") == .file {
            let file = try SafetensorsFile(path: "\(path)/\(Self.singleName)")
            tensorNames = file.tensorNames
            var owners: [String: SafetensorsFile] = [:]
            for name in file.tensorNames { owners[name] = file }
            shardOfTensor = owners
            return
        }
        let indexPath = "\(path)/\(Self.indexName)"
        guard FileStatus(path: indexPath) == .file else {
            throw InputError(path, "there is neither \(Self.singleName) nor \(Self.indexName) in this folder")
        }
        let index = try JSONParser.parse(fileAt: indexPath)
        guard let listed = index["weight_map"]?.objectValue else {
            throw InputError(indexPath, "there is no object \"weight_map\"")
        }
        var shards: [String: SafetensorsFile] = [:]
        var shardNames: [String] = []
        var owners: [String: SafetensorsFile] = [:]
        for (name, value) in listed.members {
            let location = "\(indexPath) weight_map.\(name)"
            let shardName = try Self.shardName(value, location: location)
            if shards[shardName] == nil {
                shards[shardName] = try SafetensorsFile(path: "\(path)/\(shardName)")
                shardNames.append(shardName)
            }
            guard let shard = shards[shardName], shard.contains(name) else {
                throw InputError(location, "\(shardName) does not hold this tensor")
            }
            guard owners.updateValue(shard, forKey: name) == nil else {
                throw InputError(location, "the name appears twice")
            }
        }
        for shardName in shardNames {
            for name in shards[shardName]?.tensorNames ?? [] where owners[name] !== shards[shardName] {
                throw InputError(
                    "\(path)/\(shardName) tensor \(name)",
                    owners[name] == nil ? "the index does not list it" : "the index lists it in another file")
            }
        }
        tensorNames = listed.keys
        shardOfTensor = owners
    }

    package func contains(_ name: String) -> Bool { shardOfTensor[name] != nil }

    package func tensor(named name: String) throws(InputError) -> StoredTensor {
        guard let shard = shardOfTensor[name] else { throw missing(name) }
        return try shard.tensor(named: name)
    }

    /// A plain file name: an index must not reach outside its folder.
    private static func shardName(_ value: JSONValue, location: String) throws(InputError) -> String {
        guard let name = value.stringValue else {
            throw InputError(location, expected: "a file name", found: value.kindName)
        }
        let isPlain = !name.utf8.contains { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "\\") || $0 < 0x20 }
        guard isPlain, name.hasSuffix(".safetensors"), !name.hasPrefix(".") else {
            throw InputError(
                location, expected: "the name of a .safetensors file in the same folder", found: name)
        }
        return name
    }
}
