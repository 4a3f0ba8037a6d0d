/// Stored weights to arithmetic types and back: half precision, bfloat16 and ggml's block-quantised formats.
#ifndef SL_DEQUANTIZE_H
#define SL_DEQUANTIZE_H

#include <stdint.h>

/// How values lie in a file. The first three are single values; a quantised block holds 32, its scale d and
/// minimum m are f16, and 4-bit values 0...15 stand in the low nibbles, 16...31 in the high ones.
/// A K-quant or IQ4_XS super-block holds 256: parts of 16 or 32 values, each with a scale s (and minimum n) of a few
/// bits, multiplied by the super-block's f16 d (and m).
typedef enum sl_block_type {
    SL_BLOCK_F32 = 0,
    SL_BLOCK_F16 = 1,
    SL_BLOCK_BF16 = 2,
    SL_BLOCK_Q4_0 = 3,    ///< 18 bytes: d, 16 bytes of nibbles q; value d * (q - 8)
    SL_BLOCK_Q4_1 = 4,    ///< 20 bytes: d, m, 16 bytes of nibbles q; value d * q + m
    SL_BLOCK_Q5_0 = 5,    ///< 22 bytes: d, 4 bytes of fifth bits, nibbles; value d * (q - 16)
    SL_BLOCK_Q5_1 = 6,    ///< 24 bytes: d, m, 4 bytes of fifth bits, nibbles; value d * q + m
    SL_BLOCK_Q8_0 = 7,    ///< 34 bytes: d, 32 signed bytes q; value d * q
    SL_BLOCK_IQ4_NL = 8,  ///< 18 bytes: d, 16 bytes of nibbles q; value d * table[q]
    SL_BLOCK_Q2_K = 9,    ///< 84 bytes, 16 parts: 4-bit s and n, 2-bit q, d, m; value d * s * q - m * n
    SL_BLOCK_Q3_K = 10,   ///< 110 bytes, 16 parts: 3-bit q, 6-bit s, d; value d * (s - 32) * (q - 4)
    SL_BLOCK_Q4_K = 11,   ///< 144 bytes, 8 parts: d, m, 6-bit s and n, 4-bit q; value d * s * q - m * n
    SL_BLOCK_Q5_K = 12,   ///< 176 bytes, 8 parts: d, m, 6-bit s and n, 5-bit q; value d * s * q - m * n
    SL_BLOCK_Q6_K = 13,   ///< 210 bytes, 16 parts: 6-bit q, signed byte s, d; value d * s * (q - 32)
    SL_BLOCK_IQ4_XS = 14, ///< 136 bytes, 8 parts: d, 6-bit s, nibbles q; value d * (s - 32) * table[q]
} sl_block_type;

/// Decodes whole blocks (single values for the unquantised types), split over the thread pool. `blocks` needs no
/// alignment. Products and sums are rounded separately, so the result is the same on every instruction set.
void sl_dequantize_f32(sl_block_type type, int64_t block_count, const void *blocks, float *out);
/// The same, each value then rounded to bf16 (to nearest, ties to even; NaN stays NaN).
void sl_dequantize_bf16(sl_block_type type, int64_t block_count, const void *blocks, uint16_t *out);

/// Rounds to nearest, ties to even; overflow gives infinity, NaN stays NaN.
void sl_f32_to_f16(int64_t count, const float *values, uint16_t *out);
void sl_f32_to_bf16(int64_t count, const float *values, uint16_t *out);
/// Encodes blocks of 32 finite values as Q8_0: d = max|x| / 127, q = x / d rounded to nearest, ties away from zero.
void sl_quantize_q8_0(int64_t block_count, const float *values, void *blocks);

#endif
