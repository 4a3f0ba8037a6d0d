// ggml's tensor types: every one by number, name and size, so that a file's layout can be checked whole even when
// it holds types that this version does not decode.

/// A row of ggml's type table.
struct GGUFTensorType {
    /// The number in the file.
    let code: UInt32
    let name: String
    let block: BlockLayout
    /// Our type; nil for those known by name alone.
    let storedType: StoredType?

    static func withCode(_ code: UInt32) -> GGUFTensorType? { table[code] }
    static func of(_ type: StoredType) -> GGUFTensorType? { table.values.first { $0.storedType == type } }

    /// The names of the types that hold weights which can be decoded.
    static var decodableNames: [String] {
        decoded.filter { $0.storedType?.isDecodable == true }.map(\.name)
    }

    private static let table: [UInt32: GGUFTensorType] = {
        var table: [UInt32: GGUFTensorType] = [:]
        for type in decoded + undecoded { table[type.code] = type }
        return table
    }()

    // To decode a further type: give StoredType a case, the C decoder a function, and move the row up here.
    private static let decoded = [
        row(0, .float32), row(1, .float16), row(2, .q4_0), row(3, .q4_1), row(6, .q5_0), row(7, .q5_1),
        row(8, .q8_0), row(24, .int8), row(25, .int16), row(26, .int32), row(27, .int64), row(28, .float64),
        row(30, .bfloat16), row(10, .q2_k), row(11, .q3_k), row(12, .q4_k), row(13, .q5_k), row(14, .q6_k),
        row(20, .iq4_nl), row(23, .iq4_xs),
    ]

    private static let undecoded = [
        row(9, "Q8_1", 32, 40), row(15, "Q8_K", 256, 292), row(16, "IQ2_XXS", 256, 66),
        row(17, "IQ2_XS", 256, 74), row(18, "IQ3_XXS", 256, 98), row(19, "IQ1_S", 256, 50),
        row(21, "IQ3_S", 256, 110), row(22, "IQ2_S", 256, 82), row(29, "IQ1_M", 256, 56),
        row(34, "TQ1_0", 256, 54), row(35, "TQ2_0", 256, 66), row(39, "MXFP4", 32, 17),
        row(40, "NVFP4", 64, 36),
    ]

    private static func row(_ code: UInt32, _ type: StoredType) -> GGUFTensorType {
        GGUFTensorType(code: code, name: type.rawValue, block: type.block, storedType: type)
    }

    private static func row(_ code: UInt32, _ name: String, _ elements: Int, _ bytes: Int) -> GGUFTensorType {
        let block = BlockLayout(elementCount: elements, byteCount: bytes)
        return GGUFTensorType(code: code, name: name, block: block, storedType: nil)
    }
}
