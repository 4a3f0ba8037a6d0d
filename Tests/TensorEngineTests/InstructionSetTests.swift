import CKernels
import Foundation
import TensorEngine
import Testing

@Suite("Instruction sets")
struct InstructionSetTests {
    @Test("Every processor runs plain C, and runs what it announces")
    func announcedIsAvailable() {
        #expect(InstructionSet.available.contains(.portable))
        for set in InstructionSet.allCases where set.isAnnounced {
            #expect(InstructionSet.available.contains(set), "\(set)")
        }
    }

    @Test("Unasked, the fastest announced set is used: never one that a virtual machine hides")
    func choiceIsAnnounced() {
        let fastest = sl_isa_fastest(true)
        #expect(sl_isa_announced(fastest))
        guard ProcessInfo.processInfo.environment["SPARSELORA_ISA"] == nil else { return }
        #expect(sl_isa_current() == fastest)
        #expect(InstructionSet.current.isAnnounced)
        #expect(String(cString: sl_isa_problem()).isEmpty)
    }

    @Test("A hidden set is one that works and is not announced")
    func hiddenWorks() {
        guard let hidden = InstructionSet.hidden else { return }
        #expect(InstructionSet.available.contains(hidden))
        #expect(!hidden.isAnnounced)
        #expect(hidden != .current || ProcessInfo.processInfo.environment["SPARSELORA_ISA"] != nil)
    }

    @Test("bf16 dot products are chosen only where they are faster than multiply-adds in f32")
    func dotProductsEarnTheirPlace() {
        guard InstructionSet.available.contains(.avx512BF16) else { return }
        InstructionSet.avx512BF16.run {
            // Far apart on every processor known, so that one short reading of each decides.
            let ratio = sl_measure_peak(SL_BF16, 0.05) / sl_measure_peak(SL_F32, 0.05)
            let isChosen = sl_isa_fastest(false) == SL_ISA_AVX512_BF16
            #expect(isChosen == (ratio > 1) || abs(ratio - 1) < 0.25, "\(ratio)")
        }
    }
}
