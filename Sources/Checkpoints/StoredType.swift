// The element types that weight files hold, and how many bytes they take.

/// How the values of a stored tensor are encoded. Raw values are the names that safetensors and ggml give them.
package enum StoredType: String, CaseIterable, Sendable {
    case float64 = "F64"
    case float32 = "F32"
    case float16 = "F16"
    case bfloat16 = "BF16"
    /// Eight-bit floating point with four exponent and three fraction bits.
    case float8Exponent4 = "F8_E4M3"
    /// Eight-bit floating point with five exponent and two fraction bits.
    case float8Exponent5 = "F8_E5M2"
    case int64 = "I64"
    case int32 = "I32"
    case int16 = "I16"
    case int8 = "I8"
    case uint64 = "U64"
    case uint32 = "U32"
    case uint16 = "U16"
    case uint8 = "U8"
    case bool = "BOOL"
    // ggml's own names, which any other spelling would hide.
    // swift-format-ignore: AlwaysUseLowerCamelCase
    case q4_0 = "Q4_0"
    // swift-format-ignore: AlwaysUseLowerCamelCase
    case q4_1 = "Q4_1"
    // swift-format-ignore: AlwaysUseLowerCamelCase
    case q5_0 = "Q5_0"
    // swift-format-ignore: AlwaysUseLowerCamelCase
    case q5_1 = "Q5_1"
    // swift-format-ignore: AlwaysUseLowerCamelCase
    case q8_0 = "Q8_0"
    // swift-format-ignore: AlwaysUseLowerCamelCase
    case q2_k = "Q2_K"
    // swift-format-ignore: AlwaysUseLowerCamelCase
    case q3_k = "Q3_K"
    // swift-format-ignore: AlwaysUseLowerCamelCase
    case q4_k = "Q4_K"
    // swift-format-ignore: AlwaysUseLowerCamelCase
    case q5_k = "Q5_K"
    // swift-format-ignore: AlwaysUseLowerCamelCase
    case q6_k = "Q6_K"
    // swift-format-ignore: AlwaysUseLowerCamelCase
    case iq4_nl = "IQ4_NL"
    // swift-format-ignore: AlwaysUseLowerCamelCase
    case iq4_xs = "IQ4_XS"

    /// The smallest piece that is stored: consecutive values of one row.
    package var block: BlockLayout {
        switch self {
        case .float64, .int64, .uint64: BlockLayout(elementCount: 1, byteCount: 8)
        case .float32, .int32, .uint32: BlockLayout(elementCount: 1, byteCount: 4)
        case .float16, .bfloat16, .int16, .uint16: BlockLayout(elementCount: 1, byteCount: 2)
        case .float8Exponent4, .float8Exponent5, .int8, .uint8, .bool:
            BlockLayout(elementCount: 1, byteCount: 1)
        case .q4_0: BlockLayout(elementCount: 32, byteCount: 18)
        case .q4_1: BlockLayout(elementCount: 32, byteCount: 20)
        case .q5_0: BlockLayout(elementCount: 32, byteCount: 22)
        case .q5_1: BlockLayout(elementCount: 32, byteCount: 24)
        case .q8_0: BlockLayout(elementCount: 32, byteCount: 34)
        case .q2_k: BlockLayout(elementCount: 256, byteCount: 84)
        case .q3_k: BlockLayout(elementCount: 256, byteCount: 110)
        case .q4_k: BlockLayout(elementCount: 256, byteCount: 144)
        case .q5_k: BlockLayout(elementCount: 256, byteCount: 176)
        case .q6_k: BlockLayout(elementCount: 256, byteCount: 210)
        case .iq4_nl: BlockLayout(elementCount: 32, byteCount: 18)
        case .iq4_xs: BlockLayout(elementCount: 256, byteCount: 136)
        }
    }

    /// Whether one block holds several values that share a scale.
    package var isBlockQuantised: Bool { block.elementCount > 1 }
}

/// How many values one stored block holds and how many bytes it takes.
package struct BlockLayout: Equatable, Sendable {
    package let elementCount: Int
    package let byteCount: Int

    package init(elementCount: Int, byteCount: Int) {
        self.elementCount = elementCount
        self.byteCount = byteCount
    }

    /// The bytes of a tensor of this shape; nil when a dimension is negative, when the innermost one is not made of
    /// whole blocks, or when the product does not fit an `Int`. A scalar (empty shape) holds one value.
    package func byteCount(shape: [Int]) -> Int? {
        guard (shape.last ?? 1).isMultiple(of: elementCount) else { return nil }
        // Zeros count as ones at first: the product of any part of the shape must fit as well, because users of a
        // checked shape multiply without checking again.
        var values = 1
        for dimension in shape {
            guard dimension >= 0 else { return nil }
            let (product, overflow) = values.multipliedReportingOverflow(by: max(dimension, 1))
            if overflow { return nil }
            values = product
        }
        // More than the bytes themselves when a block holds several values; no file comes near either limit.
        let (_, overflow) = values.multipliedReportingOverflow(by: byteCount)
        if overflow { return nil }
        return shape.contains(0) ? 0 : values / elementCount * byteCount
    }
}
