/// One table of single-threaded kernels per instruction set; the public functions cut work into ranges and call these.
#ifndef SL_KERNEL_TABLES_H
#define SL_KERNEL_TABLES_H

#include "attention_kernels.h"
#include "ops_kernels.h"
#include "sl_gemm.h"
#include "sl_isa.h"

/// A rectangle of the output, computed by one thread.
typedef struct sl_gemm_tile {
    int64_t row_begin, row_end, column_begin, column_end;
} sl_gemm_tile;

typedef struct sl_gemm_kernels {
    /// Register tile: partitions fall on multiples of these so that no thread works on ragged edges needlessly.
    int row_step, column_step;
    void (*tile)(const sl_gemm_tile *tile, const sl_product *products, int product_count, const sl_output *output);
    /// Whether a product has so few rows that `small_tile` is quicker; asked of the whole product, so that the
    /// answer, and with it the rounding, does not depend on the number of threads.
    bool (*fits_small)(int64_t rows, const sl_product *products, int product_count);
    void (*small_tile)(const sl_gemm_tile *tile, const sl_product *products, int product_count,
                       const sl_output *output);
    /// Runs multiply-adds on registers alone and returns how many floating-point operations that were.
    double (*peak)(bool dot, int64_t rounds);
} sl_gemm_kernels;

extern const sl_gemm_kernels sl_gemm_portable, sl_gemm_neon, sl_gemm_avx2, sl_gemm_avx512, sl_gemm_avx512_bf16,
    sl_gemm_emulated_bf16;

/// The table of the instruction set in use.
const sl_gemm_kernels *sl_gemm_kernels_current(void);
const sl_ops_kernels *sl_ops_kernels_current(void);
const sl_attention_kernels *sl_attention_kernels_current(void);

#endif
