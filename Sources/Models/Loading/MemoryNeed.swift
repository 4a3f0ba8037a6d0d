// Whether a model fits, before anything of it is allocated.

import Checkpoints
package import FileSupport
package import TensorEngine

/// What loading a model takes.
package struct MemoryNeed {
    /// Bytes of weights in memory. The file's own pages come and go: every weight is copied out of them.
    package let weightBytes: Int
    private let path: String

    package init(_ source: ModelSource, computeType: ElementType) throws(InputError) {
        path = source.path
        var bytes = 0
        for name in source.weights.tensorNames {
            guard source.huggingFaceName(ofStored: name) != nil else { continue }
            let tensor = try source.weights.tensor(named: name)
            let (size, overflow) = tensor.elementCount.multipliedReportingOverflow(by: computeType.byteCount)
            let (sum, sumOverflow) = bytes.addingReportingOverflow(size)
            bytes = overflow || sumOverflow ? .max : sum
        }
        weightBytes = bytes
    }

    /// - Throws: `InputError` when the machine has less memory to give.
    package func check(available: Int? = MachineMemory.availableBytes) throws(InputError) {
        guard let available, weightBytes > available else { return }
        throw InputError(
            path,
            "its weights need \(Self.inGigabytes(weightBytes)) of memory, "
                + "this machine has \(Self.inGigabytes(available)) to give",
            advice: "Use a smaller model, or free memory.")
    }

    private static func inGigabytes(_ bytes: Int) -> String {
        let tenths = bytes / 100_000_000
        return "\(tenths / 10).\(tenths % 10) GB"
    }
}
