// Stored floating-point and block-quantised values to f32 and bf16.

import CKernels
package import FileSupport

extension StoredTensor {
    /// Whether `decode` can read this tensor.
    package var isDecodable: Bool { type.isDecodable }

    /// Decodes rows (counted over all dimensions but the innermost) as f32.
    ///
    /// - Parameter output: room for `rows.count * rowWidth` values.
    /// - Throws: `InputError` when the tensor does not hold floating-point weights.
    package func decode(
        rows: Range<Int>, into output: UnsafeMutableBufferPointer<Float>
    ) throws(InputError) {
        let (kernelType, blocks) = try blocks(of: rows, room: output.count)
        guard let source = blocks.baseAddress, let target = output.baseAddress else { return }
        sl_dequantize_f32(kernelType, Int64(blocks.count / type.block.byteCount), source, target)
        extendLifetime(owner)
    }

    /// Decodes rows (counted over all dimensions but the innermost) as bf16 bit patterns, rounded to nearest even.
    ///
    /// - Parameter output: room for `rows.count * rowWidth` values.
    /// - Throws: `InputError` when the tensor does not hold floating-point weights.
    package func decode(
        rows: Range<Int>, intoBFloat16 output: UnsafeMutableBufferPointer<UInt16>
    ) throws(InputError) {
        let (kernelType, blocks) = try blocks(of: rows, room: output.count)
        guard let source = blocks.baseAddress, let target = output.baseAddress else { return }
        sl_dequantize_bf16(kernelType, Int64(blocks.count / type.block.byteCount), source, target)
        extendLifetime(owner)
    }

    /// All values as f32.
    ///
    /// - Throws: `InputError` when the tensor does not hold floating-point weights.
    package func float32Values() throws(InputError) -> [Float] {
        var problem: InputError?
        let values = [Float](unsafeUninitializedCapacity: elementCount) { buffer, count in
            do throws(InputError) {
                try decode(
                    rows: 0..<rowCount, into: UnsafeMutableBufferPointer(rebasing: buffer[..<elementCount]))
                count = elementCount
            } catch {
                problem = error
            }
        }
        if let problem { throw problem }
        return values
    }

    private func blocks(
        of rows: Range<Int>, room: Int
    ) throws(InputError) -> (sl_block_type, UnsafeRawBufferPointer) {
        guard let kernelType = type.kernelType else {
            throw InputError(location, expected: "floating-point weights", found: "type \(type.rawValue)")
        }
        precondition(rows.lowerBound >= 0 && rows.upperBound <= rowCount, "decode: rows \(rows) of \(shape)")
        precondition(room >= rows.count * rowWidth, "decode: \(rows) of \(shape) into room for \(room)")
        let rowBytes = rowWidth / type.block.elementCount * type.block.byteCount
        let range = rows.lowerBound * rowBytes..<rows.upperBound * rowBytes
        return (kernelType, UnsafeRawBufferPointer(rebasing: bytes[range]))
    }
}

extension StoredType {
    /// Whether values of this type can be decoded.
    var isDecodable: Bool { kernelType != nil }

    /// The decoder's name for this type; nil where there is no decoder.
    fileprivate var kernelType: sl_block_type? {
        switch self {
        case .float32: SL_BLOCK_F32
        case .float16: SL_BLOCK_F16
        case .bfloat16: SL_BLOCK_BF16
        case .q4_0: SL_BLOCK_Q4_0
        case .q4_1: SL_BLOCK_Q4_1
        case .q5_0: SL_BLOCK_Q5_0
        case .q5_1: SL_BLOCK_Q5_1
        case .q8_0: SL_BLOCK_Q8_0
        case .q2_k: SL_BLOCK_Q2_K
        case .q3_k: SL_BLOCK_Q3_K
        case .q4_k: SL_BLOCK_Q4_K
        case .q5_k: SL_BLOCK_Q5_K
        case .q6_k: SL_BLOCK_Q6_K
        case .iq4_nl: SL_BLOCK_IQ4_NL
        case .iq4_xs: SL_BLOCK_IQ4_XS
        default: nil
        }
    }
}
