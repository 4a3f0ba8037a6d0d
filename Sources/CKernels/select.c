// The positions of large values: those of at least a threshold, or the largest ones in linear time, by a radix select over
// the values' bits.
//
// Plain C for every instruction set: the time goes into histograms, which do not vectorise, and a few thousand
// scores take microseconds.
#include <string.h>

#include "sl_ops.h"

// Unsigned keys in the order of the values: NaN lowest, -0 as 0.
static inline uint32_t key_of(float x) {
    if (x != x) return 0;
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    if (x == 0) bits = 0;
    return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

// The key of rank `kept_count` from above, and in `ties` how many of the keys equal to it are kept.
static uint32_t threshold_of(int64_t count, const float *x, int64_t kept_count, int64_t *ties) {
    enum { BITS = 8, BUCKETS = 1 << BITS };
    uint32_t prefix = 0, decided = 0;  // bits of the threshold found so far, and which those are
    int64_t wanted = kept_count;       // among the keys that share them
    for (int shift = 32 - BITS; shift >= 0; shift -= BITS) {
        int64_t histogram[BUCKETS] = {0};
        for (int64_t i = 0; i < count; i++) {
            uint32_t key = key_of(x[i]);
            if ((key & decided) == prefix) histogram[key >> shift & (BUCKETS - 1)]++;
        }
        uint32_t bucket = BUCKETS - 1;
        while (histogram[bucket] < wanted) wanted -= histogram[bucket--];
        prefix |= bucket << shift;
        decided |= (uint32_t)(BUCKETS - 1) << shift;
    }
    *ties = wanted;
    return prefix;
}

int64_t sl_select_at_least(int64_t count, const float *x, float threshold, int32_t *kept) {
    int64_t found = 0;
    for (int64_t i = 0; i < count; i++) {
        kept[found] = (int32_t)i;
        found += x[i] >= threshold;
    }
    return found;
}

void sl_select_largest(int64_t count, const float *x, int64_t kept_count, int32_t *kept, int32_t *rest) {
    int64_t ties = 0;
    uint32_t threshold = kept_count > 0 ? threshold_of(count, x, kept_count, &ties) : UINT32_MAX;
    for (int64_t i = 0; i < count; i++) {
        uint32_t key = key_of(x[i]);
        if (key > threshold || (key == threshold && ties-- > 0)) *kept++ = (int32_t)i;
        else *rest++ = (int32_t)i;
    }
}
