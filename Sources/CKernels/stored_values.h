/// Values as files hold them, one at a time, and the loop over the blocks of a tensor: shared by the decoders.
#ifndef SL_STORED_VALUES_H
#define SL_STORED_VALUES_H

#include <stdint.h>
#include <string.h>

#include "sl_dequantize.h"

// A fused multiply-add would give other bits on machines that have one. Holds for the file that includes this.
#pragma clang fp contract(off)

#define SL_INLINE static inline __attribute__((always_inline))

SL_INLINE uint32_t bits_of(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

SL_INLINE float float_of(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

SL_INLINE uint16_t load_u16(const uint8_t *bytes) {
    uint16_t value;
    memcpy(&value, bytes, sizeof value);
    return value;
}

SL_INLINE uint32_t load_u32(const uint8_t *bytes) {
    uint32_t value;
    memcpy(&value, bytes, sizeof value);
    return value;
}

// MARK: single values

SL_INLINE float f16_to_f32(uint16_t half) {
    uint32_t sign = (uint32_t)(half & 0x8000) << 16;
    uint32_t magnitude = (uint32_t)(half & 0x7FFF) << 13;
    // A denormal is a whole multiple of 2^-24; computed so, no denormal f32 is involved that a processor mode might
    // flush to zero.
    uint32_t denormal = bits_of((float)(int32_t)(half & 0x03FF) * 0x1p-24f);
    uint32_t normal = magnitude + ((127u - 15u) << 23);
    uint32_t special = magnitude | 0x7F800000u;
    uint32_t bits = magnitude < (1u << 23) ? denormal : magnitude < (31u << 23) ? normal : special;
    return float_of(sign | bits);
}

SL_INLINE uint16_t f32_to_f16(float value) {
    uint32_t bits = bits_of(value);
    uint32_t magnitude = bits & 0x7FFFFFFFu;
    // Adding 0.5 puts the last bit of the sum at 2^-24, that of a denormal half: the addition itself rounds.
    uint32_t denormal = bits_of(float_of(magnitude) + 0.5f) - bits_of(0.5f);
    uint32_t normal = (magnitude + 0xFFFu + ((magnitude >> 13) & 1u) - ((127u - 15u) << 23)) >> 13;
    uint32_t nan = 0x7E00u | ((magnitude >> 13) & 0x3FFu);
    uint32_t half = magnitude < 0x38800000u   ? denormal
                    : magnitude < 0x47800000u ? normal
                    : magnitude > 0x7F800000u ? nan
                                              : 0x7C00u;
    return (uint16_t)(((bits >> 16) & 0x8000u) | half);
}

SL_INLINE float bf16_to_f32(uint16_t brain) { return float_of((uint32_t)brain << 16); }

SL_INLINE uint16_t f32_to_bf16(float value) {
    uint32_t bits = bits_of(value);
    uint32_t rounded = (bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16;
    uint32_t nan = (bits >> 16) | 0x40u;
    return (uint16_t)((bits & 0x7FFFFFFFu) > 0x7F800000u ? nan : rounded);
}

// MARK: blocks

/// A tensor to be decoded. Exactly one of the outputs is set.
typedef struct sl_decode_job {
    sl_block_type type;
    const uint8_t *blocks;
    float *f32;
    uint16_t *bf16;
} sl_decode_job;

/// Decodes blocks `begin..<end` of `length` values in `bytes` bytes each. One loop per format and output type, so that
/// the block decoder is inlined into it.
#define SL_DECODE_BLOCKS(decode, length, bytes)                                                             \
    for (int64_t b = begin; b < end; b++) {                                                                 \
        if (job->f32) {                                                                                     \
            decode(job->blocks + b * (bytes), job->f32 + b * (length));                                     \
        } else {                                                                                            \
            float values[length];                                                                           \
            decode(job->blocks + b * (bytes), values);                                                      \
            for (int i = 0; i < (length); i++) job->bf16[b * (length) + i] = f32_to_bf16(values[i]);        \
        }                                                                                                   \
    }                                                                                                       \
    break

/// 32 four-bit codes, those of values 0...15 in the low nibbles, as numbers that lie closer together near zero.
SL_INLINE void decode_uneven_nibbles(float d, const uint8_t *nibbles, float *out) {
    static const int8_t numbers[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
    for (int i = 0; i < 16; i++) out[i] = d * (float)numbers[nibbles[i] & 0x0F];
    for (int i = 0; i < 16; i++) out[i + 16] = d * (float)numbers[nibbles[i] >> 4];
}

/// Values in a super-block: sub-blocks with quantised scales of their own under one or two f16 scales.
enum { SL_SUPER_BLOCK = 256 };

/// Decodes blocks of the types from `SL_BLOCK_Q2_K` on.
void sl_decode_super_blocks(const sl_decode_job *job, int64_t begin, int64_t end);

#endif
