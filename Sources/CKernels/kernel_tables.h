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
    /// A rectangle of few rows, which packs what it needs.
    void (*tile)(const sl_gemm_tile *tile, const sl_product *products, int product_count, const sl_output *output);
    /// A rectangle beside packed right panels, of which `panels` is that of its first column; best of no more than
    /// `block_rows` rows.
    void (*packed_tile)(const sl_gemm_tile *tile, const sl_product *products, int product_count,
                        const sl_output *output, const uint32_t *panels);
    int64_t (*block_rows)(const sl_product *products, int product_count);
    /// Packs the right operands of the columns from `column` on, a panel of them or up to `column_end`, for the whole
    /// depth: `panel_size` units.
    void (*pack_right)(int64_t column, int64_t column_end, const sl_product *products, int product_count,
                       uint32_t *panel);
    int64_t (*panel_size)(const sl_product *products, int product_count);
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
