// What this processor does with vdpbf16ps.
#ifndef SL_BF16_DOT_PRODUCT_H
#define SL_BF16_DOT_PRODUCT_H

#include <stdbool.h>

/// Whether the processor says that it has the instruction.
bool sl_bf16_dot_product_is_announced(void);
/// Whether the instruction works, announced or not; only for a processor with AVX-512. Tried once.
bool sl_bf16_dot_product_works(void);
/// Whether products run faster with it than with multiply-adds in f32; only where it works. Measured once, in a
/// fraction of a millisecond: half of a processor family has it at twice the rate, the other at half of it, so
/// that the answer does not hang on a busy neighbour.
bool sl_bf16_dot_product_is_faster(void);

#endif
