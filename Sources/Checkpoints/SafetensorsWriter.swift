// Writing safetensors files as a stream: a model of many gigabytes never stands in memory twice.

package import FileSupport

/// Writes safetensors files that the reference implementation reads.
package enum SafetensorsWriter {
    /// What tools expect of weights for PyTorch conventions.
    package static let standardMetadata: [(key: String, value: String)] = [("format", "pt")]

    /// Writes one file, atomically.
    ///
    /// Larger element types come first (each tensor is then aligned), otherwise tensors keep their order.
    /// - Throws: `InputError` when the file cannot be written or a payload throws.
    /// - Precondition: names are distinct and every payload has the length of its shape.
    package static func write(
        _ tensors: [OutputTensor], metadata: [(key: String, value: String)] = standardMetadata,
        to path: String
    ) throws(InputError) {
        let ordered = tensors.enumerated().sorted {
            ($1.element.type.block.byteCount, $0.offset) < ($0.element.type.block.byteCount, $1.offset)
        }.map(\.element)
        let header = header(ordered, metadata: metadata)
        try AtomicFile.write(to: path) { sink throws(InputError) in
            try sink.append(withUnsafeBytes(of: UInt64(header.count).littleEndian) { Array($0) })
            try sink.append(header)
            for tensor in ordered {
                let start = sink.count
                try tensor.writePayload(sink)
                precondition(
                    sink.count - start == tensor.byteCount,
                    "SafetensorsWriter: \(tensor.name) \(tensor.shape) wrote \(sink.count - start) bytes")
            }
        }
    }

    /// Writes a model folder's weights: `model.safetensors` when they fit one file, else numbered shards and an index.
    ///
    /// - Parameter maximumShardBytes: the most tensor bytes of one shard; a larger tensor gets a shard to itself.
    /// - Returns: the names of the files written.
    /// - Throws: `InputError`, also when an older `model.safetensors` would hide the shards.
    package static func write(
        _ tensors: [OutputTensor], metadata: [(key: String, value: String)] = standardMetadata,
        toFolder folder: String, maximumShardBytes: Int
    ) throws(InputError) -> [String] {
        var shards: [[OutputTensor]] = [[]]
        var shardBytes = 0
        for tensor in tensors {
            if shardBytes > 0, tensor.byteCount > maximumShardBytes - shardBytes {
                shards.append([])
                shardBytes = 0
            }
            shards[shards.count - 1].append(tensor)
            shardBytes += tensor.byteCount
        }
        let singlePath = "\(folder)/\(SafetensorsFolder.singleName)"
        if shards.count == 1 {
            try write(tensors, metadata: metadata, to: singlePath)
            return [SafetensorsFolder.singleName]
        }
        guard FileStatus(path: singlePath) == .missing else {
            throw InputError(
                singlePath, "this file would hide the shards beside it",
                advice: "Remove it, or choose another folder.")
        }
        var names: [String] = []
        var owners: [(key: String, value: JSONValue)] = []
        for (index, shard) in shards.enumerated() {
            let name = "model-\(fiveDigits(index + 1))-of-\(fiveDigits(shards.count)).safetensors"
            try write(shard, metadata: metadata, to: "\(folder)/\(name)")
            names.append(name)
            owners += shard.map { ($0.name, .string(name)) }
        }
        let index = JSONObject([
            (
                "metadata",
                .object(JSONObject([("total_size", .integer(tensors.reduce(0) { $0 + $1.byteCount }))]))
            ),
            ("weight_map", .object(JSONObject(owners))),
        ])
        let text = JSONValue.object(index).serialized(pretty: true) + "\n"
        try AtomicFile.write(to: "\(folder)/\(SafetensorsFolder.indexName)", text: text)
        return names + [SafetensorsFolder.indexName]
    }

    private static func header(
        _ tensors: [OutputTensor], metadata: [(key: String, value: String)]
    ) -> [UInt8] {
        var members: [(key: String, value: JSONValue)] = []
        if !metadata.isEmpty {
            members.append(
                ("__metadata__", .object(JSONObject(metadata.map { ($0.key, .string($0.value)) }))))
        }
        var end = 0
        for tensor in tensors {
            precondition(!tensor.type.isBlockQuantised, "SafetensorsWriter: \(tensor.name) is \(tensor.type)")
            let begin = end
            end += tensor.byteCount
            let entry = JSONObject([
                ("dtype", .string(tensor.type.rawValue)),
                ("shape", .array(tensor.shape.map { .integer($0) })),
                ("data_offsets", .array([.integer(begin), .integer(end)])),
            ])
            members.append((tensor.name, .object(entry)))
        }
        let object = JSONObject(members)
        precondition(object.count == members.count, "SafetensorsWriter: two tensors have the same name")
        var header = Array(JSONValue.object(object).serialized().utf8)
        // Spaces, so that the data begin at a multiple of eight.
        header += [UInt8](repeating: UInt8(ascii: " "), count: (8 - header.count % 8) % 8)
        return header
    }

    private static func fiveDigits(_ number: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, 5 - digits.count)) + digits
    }
}
