// Decoding of stored weights, written so that the compiler vectorises every inner loop without intrinsics.
#include "sl_dequantize.h"

#include <string.h>

#include "sl_threads.h"
#include "stored_values.h"

enum { BLOCK = 32, HALF = BLOCK / 2 };

// MARK: blocks

SL_INLINE void decode_q4_0(const uint8_t *block, float *out) {
    float d = f16_to_f32(load_u16(block));
    const uint8_t *nibbles = block + 2;
    for (int i = 0; i < HALF; i++) out[i] = d * (float)((nibbles[i] & 0x0F) - 8);
    for (int i = 0; i < HALF; i++) out[i + HALF] = d * (float)((nibbles[i] >> 4) - 8);
}

SL_INLINE void decode_q4_1(const uint8_t *block, float *out) {
    float d = f16_to_f32(load_u16(block)), m = f16_to_f32(load_u16(block + 2));
    const uint8_t *nibbles = block + 4;
    for (int i = 0; i < HALF; i++) out[i] = d * (float)(nibbles[i] & 0x0F) + m;
    for (int i = 0; i < HALF; i++) out[i + HALF] = d * (float)(nibbles[i] >> 4) + m;
}

/// The five-bit integers of a block: nibble i with bit i of `fifth_bits` above it.
SL_INLINE void unpack_five_bits(uint32_t fifth_bits, const uint8_t *nibbles, int32_t *out) {
    for (int i = 0; i < HALF; i++) out[i] = (nibbles[i] & 0x0F) | (int32_t)((fifth_bits >> i & 1u) << 4);
    for (int i = 0; i < HALF; i++)
        out[i + HALF] = (nibbles[i] >> 4) | (int32_t)((fifth_bits >> (i + HALF) & 1u) << 4);
}

SL_INLINE void decode_q5_0(const uint8_t *block, float *out) {
    float d = f16_to_f32(load_u16(block));
    int32_t values[BLOCK];
    unpack_five_bits(load_u32(block + 2), block + 6, values);
    for (int i = 0; i < BLOCK; i++) out[i] = d * (float)(values[i] - 16);
}

SL_INLINE void decode_q5_1(const uint8_t *block, float *out) {
    float d = f16_to_f32(load_u16(block)), m = f16_to_f32(load_u16(block + 2));
    int32_t values[BLOCK];
    unpack_five_bits(load_u32(block + 4), block + 8, values);
    for (int i = 0; i < BLOCK; i++) out[i] = d * (float)values[i] + m;
}

SL_INLINE void decode_q8_0(const uint8_t *block, float *out) {
    float d = f16_to_f32(load_u16(block));
    const int8_t *values = (const int8_t *)(block + 2);
    for (int i = 0; i < BLOCK; i++) out[i] = d * (float)values[i];
}

SL_INLINE void decode_iq4_nl(const uint8_t *block, float *out) {
    decode_uneven_nibbles(f16_to_f32(load_u16(block)), block + 2, out);
}

static void decode_range(void *context, int64_t begin, int64_t end) {
    const sl_decode_job *job = context;
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
    case SL_BLOCK_Q4_0: SL_DECODE_BLOCKS(decode_q4_0, BLOCK, 18);
    case SL_BLOCK_Q4_1: SL_DECODE_BLOCKS(decode_q4_1, BLOCK, 20);
    case SL_BLOCK_Q5_0: SL_DECODE_BLOCKS(decode_q5_0, BLOCK, 22);
    case SL_BLOCK_Q5_1: SL_DECODE_BLOCKS(decode_q5_1, BLOCK, 24);
    case SL_BLOCK_Q8_0: SL_DECODE_BLOCKS(decode_q8_0, BLOCK, 34);
    case SL_BLOCK_IQ4_NL: SL_DECODE_BLOCKS(decode_iq4_nl, BLOCK, 18);
    case SL_BLOCK_Q2_K:
    case SL_BLOCK_Q3_K:
    case SL_BLOCK_Q4_K:
    case SL_BLOCK_Q5_K:
    case SL_BLOCK_Q6_K:
    case SL_BLOCK_IQ4_XS: sl_decode_super_blocks(job, begin, end); break;
    }
}

/// Values per task: enough work to be worth handing to another thread.
enum { GRAIN = 1 << 16 };

static int64_t block_length(sl_block_type type) {
    switch (type) {
    case SL_BLOCK_F32:
    case SL_BLOCK_F16:
    case SL_BLOCK_BF16: return 1;
    case SL_BLOCK_Q4_0:
    case SL_BLOCK_Q4_1:
    case SL_BLOCK_Q5_0:
    case SL_BLOCK_Q5_1:
    case SL_BLOCK_Q8_0:
    case SL_BLOCK_IQ4_NL: return BLOCK;
    case SL_BLOCK_Q2_K:
    case SL_BLOCK_Q3_K:
    case SL_BLOCK_Q4_K:
    case SL_BLOCK_Q5_K:
    case SL_BLOCK_Q6_K:
    case SL_BLOCK_IQ4_XS: return SL_SUPER_BLOCK;
    }
}

static void decode_all(sl_decode_job job, int64_t block_count) {
    sl_parallel_ranges(block_count, GRAIN / block_length(job.type), decode_range, &job);
}

void sl_dequantize_f32(sl_block_type type, int64_t block_count, const void *blocks, float *out) {
    if (block_count <= 0) return;
    decode_all((sl_decode_job){.type = type, .blocks = blocks, .f32 = out}, block_count);
}

void sl_dequantize_bf16(sl_block_type type, int64_t block_count, const void *blocks, uint16_t *out) {
    if (block_count <= 0) return;
    decode_all((sl_decode_job){.type = type, .blocks = blocks, .bf16 = out}, block_count);
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
