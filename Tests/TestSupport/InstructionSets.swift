// Runs a check once for every instruction set that this processor has.

package import TensorEngine

/// Runs `body` with the kernels that it calls from this thread on each available instruction set in turn.
///
/// The choice is the calling thread's own, so suites that use this may run beside any other.
package func forEachInstructionSet(_ body: (InstructionSet) throws -> Void) rethrows {
    for set in InstructionSet.available {
        try set.run { try body(set) }
    }
}
