// Decoding of super-blocks: ggml's K-quants and IQ4_XS. The bit fields are laid out for wide registers: a byte holds
// bits of values that stand 32 or 64 apart, so every inner loop runs over neighbouring bytes with one shift.
#include "stored_values.h"

/// The 6-bit scales and minima of Q4_K and Q5_K, eight each in 12 bytes: the first four of each whole in bytes 0...7,
/// whose upper two bits belong to the last four; the lower four bits of those are nibbles of bytes 8...11.
SL_INLINE void unpack_scales_and_minima(const uint8_t *packed, uint8_t *scales, uint8_t *minima) {
    for (int i = 0; i < 4; i++) {
        scales[i] = packed[i] & 0x3F;
        minima[i] = packed[4 + i] & 0x3F;
        scales[4 + i] = (uint8_t)((packed[8 + i] & 0x0F) | (packed[i] >> 2 & 0x30));
        minima[4 + i] = (uint8_t)(packed[8 + i] >> 4 | (packed[4 + i] >> 2 & 0x30));
    }
}

SL_INLINE void decode_q2_k(const uint8_t *block, float *out) {
    const uint8_t *scales = block, *crumbs = block + 16;
    float d = f16_to_f32(load_u16(block + 80)), m = f16_to_f32(load_u16(block + 82));
    for (int part = 0; part < 16; part++) {
        float scale = d * (float)(scales[part] & 0x0F), minimum = m * (float)(scales[part] >> 4);
        const uint8_t *bytes = crumbs + part / 8 * 32 + part % 2 * 16;
        int shift = part / 2 % 4 * 2;
        for (int i = 0; i < 16; i++) out[part * 16 + i] = scale * (float)(bytes[i] >> shift & 3) - minimum;
    }
}

SL_INLINE void decode_q3_k(const uint8_t *block, float *out) {
    const uint8_t *third_bits = block, *crumbs = block + 32, *scales = block + 96;
    float d = f16_to_f32(load_u16(block + 108));
    for (int part = 0; part < 16; part++) {
        int32_t low = scales[part % 8] >> part / 8 * 4 & 0x0F, high = scales[8 + part % 4] >> part / 4 * 2 & 3;
        float scale = d * (float)((low | high << 4) - 32);
        const uint8_t *bytes = crumbs + part / 8 * 32 + part % 2 * 16, *thirds = third_bits + part % 2 * 16;
        int shift = part / 2 % 4 * 2, third = part / 2;
        for (int i = 0; i < 16; i++) {
            int32_t value = (bytes[i] >> shift & 3) | (thirds[i] >> third & 1) << 2;
            out[part * 16 + i] = scale * (float)(value - 4);
        }
    }
}

SL_INLINE void decode_q4_k(const uint8_t *block, float *out) {
    float d = f16_to_f32(load_u16(block)), m = f16_to_f32(load_u16(block + 2));
    uint8_t scales[8], minima[8];
    unpack_scales_and_minima(block + 4, scales, minima);
    for (int part = 0; part < 8; part++) {
        float scale = d * (float)scales[part], minimum = m * (float)minima[part];
        const uint8_t *nibbles = block + 16 + part / 2 * 32;
        int shift = part % 2 * 4;
        for (int i = 0; i < 32; i++) out[part * 32 + i] = scale * (float)(nibbles[i] >> shift & 0x0F) - minimum;
    }
}

SL_INLINE void decode_q5_k(const uint8_t *block, float *out) {
    float d = f16_to_f32(load_u16(block)), m = f16_to_f32(load_u16(block + 2));
    uint8_t scales[8], minima[8];
    unpack_scales_and_minima(block + 4, scales, minima);
    const uint8_t *fifth_bits = block + 16;
    for (int part = 0; part < 8; part++) {
        float scale = d * (float)scales[part], minimum = m * (float)minima[part];
        const uint8_t *nibbles = block + 48 + part / 2 * 32;
        int shift = part % 2 * 4;
        for (int i = 0; i < 32; i++) {
            int32_t value = (nibbles[i] >> shift & 0x0F) | (fifth_bits[i] >> part & 1) << 4;
            out[part * 32 + i] = scale * (float)value - minimum;
        }
    }
}

SL_INLINE void decode_q6_k(const uint8_t *block, float *out) {
    const int8_t *scales = (const int8_t *)(block + 192);
    float d = f16_to_f32(load_u16(block + 208));
    for (int part = 0; part < 16; part++) {
        float scale = d * (float)scales[part];
        // Halves of 128 values: nibbles 64 values apart share a byte, upper bits 32 values apart.
        int half = part / 8, row = part / 2 % 4;
        const uint8_t *nibbles = block + half * 64 + part % 4 * 16;
        const uint8_t *upper_bits = block + 128 + half * 32 + part % 2 * 16;
        int shift = row / 2 * 4;
        for (int i = 0; i < 16; i++) {
            int32_t value = (nibbles[i] >> shift & 0x0F) | (upper_bits[i] >> row * 2 & 3) << 4;
            out[part * 16 + i] = scale * (float)(value - 32);
        }
    }
}

SL_INLINE void decode_iq4_xs(const uint8_t *block, float *out) {
    float d = f16_to_f32(load_u16(block));
    uint32_t upper_bits = load_u16(block + 2);
    for (int part = 0; part < 8; part++) {
        int32_t low = block[4 + part / 2] >> part % 2 * 4 & 0x0F, high = (int32_t)(upper_bits >> part * 2 & 3);
        decode_uneven_nibbles(d * (float)((low | high << 4) - 32), block + 8 + part * 16, out + part * 32);
    }
}

void sl_decode_super_blocks(const sl_decode_job *job, int64_t begin, int64_t end) {
    switch (job->type) {
    case SL_BLOCK_Q2_K: SL_DECODE_BLOCKS(decode_q2_k, SL_SUPER_BLOCK, 84);
    case SL_BLOCK_Q3_K: SL_DECODE_BLOCKS(decode_q3_k, SL_SUPER_BLOCK, 110);
    case SL_BLOCK_Q4_K: SL_DECODE_BLOCKS(decode_q4_k, SL_SUPER_BLOCK, 144);
    case SL_BLOCK_Q5_K: SL_DECODE_BLOCKS(decode_q5_k, SL_SUPER_BLOCK, 176);
    case SL_BLOCK_Q6_K: SL_DECODE_BLOCKS(decode_q6_k, SL_SUPER_BLOCK, 210);
    case SL_BLOCK_IQ4_XS: SL_DECODE_BLOCKS(decode_iq4_xs, SL_SUPER_BLOCK, 136);
    default: break;
    }
}
