// Which of the compiled instruction sets the kernels run on.

internal import CKernels

/// An instruction set that the kernels are compiled for. Raw values are what `SPARSELORA_ISA` takes.
package enum InstructionSet: String, CaseIterable, Sendable {
    case portable
    case neon
    case avx2
    case avx512
    case avx512BF16 = "avx512bf16"
    /// The code of `avx512BF16` with its dot product spelled out for AVX2: slow, for tests.
    case emulatedBF16 = "emulated-bf16"

    /// The sets that this processor executes, whether it announces them or not.
    package static var available: [InstructionSet] { allCases.filter { sl_isa_available($0.kernelValue) } }

    /// Whether the processor says that it has this set; one that a virtual machine hides is used only on request.
    package var isAnnounced: Bool { sl_isa_announced(kernelValue) }

    /// The set that products run fastest on, when the processor executes it without announcing it.
    package static var hidden: InstructionSet? {
        let fastest = named(sl_isa_fastest(false))
        return fastest.isAnnounced ? nil : fastest
    }

    /// The set that kernels called from this thread run on.
    package static var current: InstructionSet {
        named(sl_isa_current())
    }

    private static func named(_ value: sl_isa) -> InstructionSet {
        guard let set = allCases.first(where: { $0.kernelValue == value }) else {
            preconditionFailure("instruction set \(value.rawValue) has no name here")
        }
        return set
    }

    /// Runs `body` with the kernels that it calls from this thread on this set, which must be available.
    package func run<Result, Failure: Error>(_ body: () throws(Failure) -> Result) throws(Failure) -> Result {
        let previous = Self.current
        let isSelected = sl_isa_select(kernelValue)
        precondition(isSelected, "instruction set \(rawValue): this processor lacks it")
        defer { _ = sl_isa_select(previous.kernelValue) }
        return try body()
    }

    private var kernelValue: sl_isa {
        switch self {
        case .portable: SL_ISA_PORTABLE
        case .neon: SL_ISA_NEON
        case .avx2: SL_ISA_AVX2
        case .avx512: SL_ISA_AVX512
        case .avx512BF16: SL_ISA_AVX512_BF16
        case .emulatedBF16: SL_ISA_EMULATED_BF16
        }
    }
}
