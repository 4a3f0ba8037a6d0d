// Decoding of stored weights, written so that the compiler vectorises every inner loop without intrinsics.
#include "sl_dequantize.h"

#include <string.h>

#include "sl_threads.h"

// A fused multiply-add would give other bits on machines that have one.
#pragma clang fp contract(off)

enum { BLOCK = 32, HALF = BLOCK / 2 };

static inline __attribute__((always_inline)) uint32_t bits_of(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline __attribute__((always_inline)) float float_of(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline __attribute__((always_inline)) uint16_t load_u16(const uint8_t *bytes) {
    uint16_t value;
    memcpy(&value, bytes, sizeof value);
    return value;
}

static inline __attribute__((always_inline)) uint32_t load_u32(const uint8_t *bytes) {
    uint32_t value;
    memcpy(&value, bytes, sizeof value);
    return value;
}

// MARK: single values

static inline __attribute__((always_inline)) float f16_to_f32(uint16_t half) {
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

static inline __attribute__((always_inline)) uint16_t f32_to_f16(float value) {
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

static inline __attribute__((always_inline)) float bf16_to_f32(uint16_t brain) { return float_of((uint32_t)brain << 16); }

static inline __attribute__((always_inline)) uint16_t f32_to_bf16(float value) {
    uint32_t bits = bits_of(value);
    uint32_t rounded = (bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16;
    uint32_t nan = (bits >> 16) | 0x40u;
    return (uint16_t)((bits & 0x7FFFFFFFu) > 0x7F800000u ? nan : rounded);
}

// MARK: blocks

static inline __attribute__((always_inline)) void decode_q4_0(const uint8_t *block, float *out) {
    float d = f16_to_f32(load_u16(block));
    const uint8_t *nibbles = block + 2;
    for (int i = 0; i < HALF; i++) out[i] = d * (float)((nibbles[i] & 0x0F) - 8);
    for (int i = 0; i < HALF; i++) out[i + HALF] = d * (float)((nibbles[i] >> 4) - 8);
}

static inline __attribute__((always_inline)) void decode_q4_1(const uint8_t *block, float *out) {
    float d = f16_to_f32(load_u16(block)), m = f16_to_f32(load_u16(block + 2));
    const uint8_t *nibbles = block + 4;
    for (int i = 0; i < HALF; i++) out[i] = d * (float)(nibbles[i] & 0x0F) + m;
    for (int i = 0; i < HALF; i++) out[i + HALF] = d * (float)(nibbles[i] >> 4) + m;
}

/// The five-bit integers of a block: nibble i with bit i of `fifth_bits` above it.
static inline __attribute__((always_inline)) void unpack_five_bits(uint32_t fifth_bits, const uint8_t *nibbles, int32_t *out) {
    for (int i = 0; i < HALF; i++) out[i] = (nibbles[i] & 0x0F) | (int32_t)((fifth_bits >> i & 1u) << 4);
    for (int i = 0; i < HALF; i++)
        out[i + HALF] = (nibbles[i] >> 4) | (int32_t)((fifth_bits >> (i + HALF) & 1u) << 4);
}

static inline __attribute__((always_inline)) void decode_q5_0(const uint8_t *block, float *out) {
    float d = f16_to_f32(load_u16(block));
    int32_t values[BLOCK];
    unpack_five_bits(load_u32(block + 2), block + 6, values);
    for (int i = 0; i < BLOCK; i++) out[i] = d * (float)(values[i] - 16);
}

static inline __attribute__((always_inline)) void decode_q5_1(const uint8_t *block, float *out) {
    float d = f16_to_f32(load_u16(block)), m = f16_to_f32(load_u16(block + 2));
    int32_t values[BLOCK];
    unpack_five_bits(load_u32(block + 4), block + 8, values);
    for (int i = 0; i < BLOCK; i++) out[i] = d * (float)values[i] + m;
}

static inline __attribute__((always_inline)) void decode_q8_0(const uint8_t *block, float *out) {
    float d = f16_to_f32(load_u16(block));
    const int8_t *values = (const int8_t *)(block + 2);
    for (int i = 0; i < BLOCK; i++) out[i] = d * (float)values[i];
}

/// One loop per format and output type, so that the block decoder is inlined into it.
#define DECODE_BLOCKS(decode, bytes)                                                                        \
    for (int64_t b = begin; b < end; b++) {                                                                 \
        if (job->f32) {                                                                                     \
            decode(job->blocks + b * (bytes), job->f32 + b * BLOCK);                                        \
        } else {                                                                                            \
            float values[BLOCK];                                                                            \
            decode(job->blocks + b * (bytes), values);                                                      \
            for (int i = 0; i < BLOCK; i++) job->bf16[b * BLOCK + i] = f32_to_bf16(values[i]);              \
        }                                                                                                   \
    }                                                                                                       \
    break

/// Exactly one of the outputs is set.
typedef struct decode_job {
    sl_block_type type;
    const uint8_t *blocks;
    float *f32;
    uint16_t *bf16;
} decode_job;

static void decode_range(void *context, int64_t begin, int64_t end) {
    const decode_job *job = context;
    const uint8_t *in = job->blocks;
    switch (job->type) {
    case SL_BLOCK_F32:
        if (job->f32) {
            memcpy(job->f32 + begin, in + 4 * begin, (size_t)(4 * (end - begin)));
        } else {
            for (int64_t i = begin; i < end; i++) job->bf16[i] = f32_to_bf16(float_of(load_u32(in + 4 * i)));
        }
        break;
    case SL_BLOCK_F16:
        if (job->f32) {
            for (int64_t i = begin; i < end; i++) job->f32[i] = f16_to_f32(load_u16(in + 2 * i));
        } else {
            for (int64_t i = begin; i < end; i++) job->bf16[i] = f32_to_bf16(f16_to_f32(load_u16(in + 2 * i)));
        }
        break;
    case SL_BLOCK_BF16:
        if (job->f32) {
            for (int64_t i = begin; i < end; i++) job->f32[i] = bf16_to_f32(load_u16(in + 2 * i));
        } else {
            memcpy(job->bf16 + begin, in + 2 * begin, (size_t)(2 * (end - begin)));
        }
        break;
    case SL_BLOCK_Q4_0: DECODE_BLOCKS(decode_q4_0, 18);
    case SL_BLOCK_Q4_1: DECODE_BLOCKS(decode_q4_1, 20);
    case SL_BLOCK_Q5_0: DECODE_BLOCKS(decode_q5_0, 22);
    case SL_BLOCK_Q5_1: DECODE_BLOCKS(decode_q5_1, 24);
    case SL_BLOCK_Q8_0: DECODE_BLOCKS(decode_q8_0, 34);
    }
}

/// Values per task: enough work to be worth handing to another thread.
enum { GRAIN = 1 << 16 };

static void decode_all(decode_job job, int64_t block_count) {
    int64_t grain = job.type <= SL_BLOCK_BF16 ? GRAIN : GRAIN / BLOCK;
    sl_parallel_ranges(block_count, grain, decode_range, &job);
}

void sl_dequantize_f32(sl_block_type type, int64_t block_count, const void *blocks, float *out) {
    if (block_count <= 0) return;
    decode_all((decode_job){.type = type, .blocks = blocks, .f32 = out}, block_count);
}

void sl_dequantize_bf16(sl_block_type type, int64_t block_count, const void *blocks, uint16_t *out) {
    if (block_count <= 0) return;
    decode_all((decode_job){.type = type, .blocks = blocks, .bf16 = out}, block_count);
}

// MARK: encoding

void sl_f32_to_f16(int64_t count, const float *values, uint16_t *out) {
    for (int64_t i = 0; i < count; i++) out[i] = f32_to_f16(values[i]);
}

void sl_f32_to_bf16(int64_t count, const float *values, uint16_t *out) {
    for (int64_t i = 0; i < count; i++) out[i] = f32_to_bf16(values[i]);
}

void sl_quantize_q8_0(int64_t block_count, const float *values, void *blocks) {
    uint8_t *block = blocks;
    for (int64_t b = 0; b < block_count; b++, values += BLOCK, block += 34) {
        float largest = 0;
        for (int i = 0; i < BLOCK; i++) {
            float magnitude = float_of(bits_of(values[i]) & 0x7FFFFFFFu);
            largest = magnitude > largest ? magnitude : largest;
        }
        float d = largest / 127, inverse = d > 0 ? 1 / d : 0;
        uint16_t scale = f32_to_f16(d);
        memcpy(block, &scale, sizeof scale);
        for (int i = 0; i < BLOCK; i++) {
            // Clamped in a way that NaN passes neither comparison's good side: converting NaN to int is undefined.
            float scaled = values[i] * inverse;
            scaled = scaled >= -127 ? scaled : -127;
            scaled = scaled <= 127 ? scaled : 127;
            int32_t whole = (int32_t)scaled;
            float rest = scaled - (float)whole;
            whole += (rest >= 0.5f) - (rest <= -0.5f);
            ((int8_t *)block)[2 + i] = (int8_t)whole;
        }
    }
}
