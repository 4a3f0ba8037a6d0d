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

/// The instruction set in use. The first call picks the best that the processor has, or the one that the
/// environment variable SPARSELORA_ISA names (an unknown or unavailable name is reported by sl_isa_problem).
sl_isa sl_isa_current(void);
/// Switches the instruction set of kernels that this thread calls, so that tests running side by side do not switch
/// each other's; false, and no change, when this processor lacks it. A kernel looks its table up on its caller's
/// thread and takes it along to the pool's threads.
bool sl_isa_select(sl_isa isa);
bool sl_isa_available(sl_isa isa);
/// "avx512bf16", "avx512", "avx2", "neon", "portable" or "emulated-bf16".
const char *sl_isa_name(sl_isa isa);
/// Nonzero-length text when SPARSELORA_ISA could not be honoured, else "".
const char *sl_isa_problem(void);

#endif
