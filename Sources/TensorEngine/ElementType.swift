// The element types that tensors hold.

internal import CKernels

/// What a tensor's elements are.
package enum ElementType: String, Sendable, CaseIterable, Codable {
    case float32
    case bfloat16
    /// Indices: token ids, row selections, positions.
    case int32

    package var byteCount: Int { self == .bfloat16 ? 2 : 4 }

    /// The kernels' name for a floating-point type.
    var kernelType: sl_type {
        switch self {
        case .float32: SL_F32
        case .bfloat16: SL_BF16
        case .int32: preconditionFailure("an index tensor was passed where numbers are expected")
        }
    }
}
