// A tensor to be written: described first, so that headers come first; its bytes are produced when their turn comes.

import CKernels
package import FileSupport

/// A tensor for the safetensors and GGUF writers.
package struct OutputTensor {
    package let name: String
    package let type: StoredType
    /// Row-major dimensions, outermost first.
    package let shape: [Int]
    /// Appends exactly `byteCount` bytes to the file; called once, in file order.
    package let writePayload: (FileSink) throws(InputError) -> Void
    let byteCount: Int

    /// - Precondition: the shape suits the type and its size fits an `Int`.
    package init(
        name: String, type: StoredType, shape: [Int],
        writePayload: @escaping (FileSink) throws(InputError) -> Void
    ) {
        guard let byteCount = type.block.byteCount(shape: shape) else {
            preconditionFailure(
                "OutputTensor: \(name) of type \(type.rawValue) cannot have the shape \(shape)")
        }
        self.name = name
        self.type = type
        self.shape = shape
        self.writePayload = writePayload
        self.byteCount = byteCount
    }

    /// A tensor copied as it is.
    package init(_ tensor: StoredTensor, name: String? = nil) {
        self.init(name: name ?? tensor.name, type: tensor.type, shape: tensor.shape) {
            sink throws(InputError) in
            try tensor.withBytes { bytes throws(InputError) in try sink.append(bytes) }
        }
    }

    /// Values encoded as `type`: F32, F16, BF16 or Q8_0.
    package init(name: String, type: StoredType, shape: [Int], values: [Float]) {
        precondition(
            values.count == shape.reduce(1, *), "OutputTensor: \(values.count) values for \(name) \(shape)")
        self.init(name: name, type: type, shape: shape) { sink throws(InputError) in
            try values.span.withUnsafeBufferPointer { values throws(InputError) in
                try Self.encode(values, as: type, to: sink)
            }
        }
    }

    /// Encodes values as F32, F16, BF16 or Q8_0 through a buffer of bounded size.
    ///
    /// - Precondition: the type is one of these, and for Q8_0 the count is a multiple of 32.
    package static func encode(
        _ values: UnsafeBufferPointer<Float>, as type: StoredType, to sink: FileSink
    ) throws(InputError) {
        if type == .float32 { return try sink.append(UnsafeRawBufferPointer(values)) }
        let chunk = 1 << 16
        for start in stride(from: 0, to: values.count, by: chunk) {
            let part = UnsafeBufferPointer(rebasing: values[start..<min(start + chunk, values.count)])
            let blocks = part.count / type.block.elementCount
            precondition(
                blocks * type.block.elementCount == part.count, "encode: \(values.count) values as \(type)")
            let encoded = [UInt8](unsafeUninitializedCapacity: blocks * type.block.byteCount) {
                bytes, count in
                count = blocks * type.block.byteCount
                guard let source = part.baseAddress, let target = bytes.baseAddress else { return }
                switch type {
                case .float16:
                    encodeHalves(target, part.count) { sl_f32_to_f16(Int64(part.count), source, $0) }
                case .bfloat16:
                    encodeHalves(target, part.count) { sl_f32_to_bf16(Int64(part.count), source, $0) }
                case .q8_0: sl_quantize_q8_0(Int64(blocks), source, target)
                default: preconditionFailure("encode: no encoder for \(type.rawValue)")
                }
            }
            try sink.append(encoded)
        }
    }

    private static func encodeHalves(
        _ bytes: UnsafeMutablePointer<UInt8>, _ count: Int, _ body: (UnsafeMutablePointer<UInt16>) -> Void
    ) {
        // Array storage is aligned for any element type.
        bytes.withMemoryRebound(to: UInt16.self, capacity: count, body)
    }
}
