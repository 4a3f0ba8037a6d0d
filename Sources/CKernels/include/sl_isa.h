/// Which instruction set the kernels run on: chosen once, overridable for tests.
#ifndef SL_ISA_H
#define SL_ISA_H

#include <stdbool.h>

typedef enum sl_isa {
    SL_ISA_PORTABLE = 0,      ///< plain C, any processor
    SL_ISA_NEON = 1,          ///< 64-bit Arm
    SL_ISA_AVX2 = 2,          ///< AVX2 and FMA
    SL_ISA_AVX512 = 3,        ///< AVX-512 F, BW, DQ, VL
    SL_ISA_AVX512_BF16 = 4,   ///< AVX-512 with the bf16 dot product
    /// The code of AVX512_BF16 with its dot product spelled out for AVX2: slow, there so that a machine
    /// without AVX-512 can test that code's packing, blocking and edges.
    SL_ISA_EMULATED_BF16 = 5,
    SL_ISA_COUNT = 6,
} sl_isa;

/// The instruction set in use. The first call picks the fastest that the processor announces, or the one that the
/// environment variable SPARSELORA_ISA names (an unknown or unavailable name is reported by sl_isa_problem).
sl_isa sl_isa_current(void);
/// Switches the instruction set of kernels that this thread calls, so that tests running side by side do not switch
/// each other's; false, and no change, when this processor lacks it. A kernel looks its table up on its caller's
/// thread and takes it along to the pool's threads.
bool sl_isa_select(sl_isa isa);
/// Whether this processor executes it: announced, or for the bf16 dot product found by trying. Virtual machines hide
/// what not all of their hosts have, so the unannounced is used where someone asks for it, never of itself.
bool sl_isa_available(sl_isa isa);
/// Whether this processor says that it has it.
bool sl_isa_announced(sl_isa isa);
/// The set that products run fastest on, of those announced or of all available. Some processors have the bf16 dot
/// product at half the rate of multiply-adds in f32, so it is timed.
sl_isa sl_isa_fastest(bool announced);
/// "avx512bf16", "avx512", "avx2", "neon", "portable" or "emulated-bf16".
const char *sl_isa_name(sl_isa isa);
/// What the user should know of SPARSELORA_ISA: that it could not be honoured, or asks for what the processor does not
/// announce; else "".
const char *sl_isa_problem(void);

#endif
