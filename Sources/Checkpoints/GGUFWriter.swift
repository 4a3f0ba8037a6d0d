// Writing GGUF version 3: what adapter export needs, atomically and as a stream.

package import FileSupport

/// Writes GGUF files that llama.cpp and the `gguf` package read.
package enum GGUFWriter {
    /// A metadata value to write.
    package enum Value {
        case bool(Bool)
        case uint32(UInt32)
        case int32(Int32)
        case uint64(UInt64)
        case float32(Float)
        case string(String)
        case strings([String])
        case int32s([Int32])
        case uint32s([UInt32])
        case float32s([Float])
    }

    /// Writes one file with the default alignment.
    ///
    /// - Throws: `InputError` when the file cannot be written or a payload throws.
    /// - Precondition: keys and tensor names are distinct, tensor types are ggml's and have at most four dimensions,
    ///   and every payload has the length of its shape.
    package static func write(
        metadata: [(key: String, value: Value)], tensors: [OutputTensor], to path: String
    ) throws(InputError) {
        precondition(
            Set(metadata.map(\.key)).count == metadata.count, "GGUFWriter: a metadata key appears twice")
        precondition(
            Set(tensors.map(\.name)).count == tensors.count, "GGUFWriter: a tensor name appears twice")
        let alignment = GGUFMetadata.defaultAlignment
        var header = GGUFHeaderBytes()
        header.bytes += GGUFFile.magic
        header.append(UInt32(3))
        header.append(UInt64(tensors.count))
        header.append(UInt64(metadata.count))
        for (key, value) in metadata {
            header.append(key)
            header.append(value)
        }
        var offset = 0
        for tensor in tensors {
            header.append(tensor, offset: offset)
            offset += (tensor.byteCount + alignment - 1) / alignment * alignment
        }
        let headerBytes = header.bytes
        try AtomicFile.write(to: path) { sink throws(InputError) in
            try sink.append(headerBytes)
            for tensor in tensors {
                try sink.pad(toMultipleOf: alignment)
                let start = sink.count
                try tensor.writePayload(sink)
                precondition(
                    sink.count - start == tensor.byteCount,
                    "GGUFWriter: \(tensor.name) \(tensor.shape) wrote \(sink.count - start) bytes")
            }
            // The last tensor is padded too: readers expect it.
            try sink.pad(toMultipleOf: alignment)
        }
    }
}

/// The bytes before the tensor data.
private struct GGUFHeaderBytes {
    var bytes: [UInt8] = []

    mutating func append(_ value: some FixedWidthInteger) {
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }

    mutating func append(_ string: String) {
        append(UInt64(string.utf8.count))
        bytes.append(contentsOf: string.utf8)
    }

    mutating func append(_ type: GGUFValueType) { append(type.rawValue) }

    mutating func append(_ value: GGUFWriter.Value) {
        switch value {
        case .bool(let value):
            append(GGUFValueType.bool)
            append(UInt8(value ? 1 : 0))
        case .uint32(let value):
            append(GGUFValueType.uint32)
            append(value)
        case .int32(let value):
            append(GGUFValueType.int32)
            append(value)
        case .uint64(let value):
            append(GGUFValueType.uint64)
            append(value)
        case .float32(let value):
            append(GGUFValueType.float32)
            append(value.bitPattern)
        case .string(let value):
            append(GGUFValueType.string)
            append(value)
        case .strings(let values):
            appendArray(.string, values.count)
            for value in values { append(value) }
        case .int32s(let values):
            appendArray(.int32, values.count)
            for value in values { append(value) }
        case .uint32s(let values):
            appendArray(.uint32, values.count)
            for value in values { append(value) }
        case .float32s(let values):
            appendArray(.float32, values.count)
            for value in values { append(value.bitPattern) }
        }
    }

    private mutating func appendArray(_ type: GGUFValueType, _ count: Int) {
        append(GGUFValueType.array)
        append(type)
        append(UInt64(count))
    }

    mutating func append(_ tensor: OutputTensor, offset: Int) {
        guard let type = GGUFTensorType.of(tensor.type), tensor.shape.count <= 4 else {
            preconditionFailure("GGUFWriter: \(tensor.name) of type \(tensor.type) and shape \(tensor.shape)")
        }
        append(tensor.name)
        append(UInt32(tensor.shape.count))
        for dimension in tensor.shape.reversed() { append(UInt64(dimension)) }
        append(type.code)
        append(UInt64(offset))
    }
}
