/// The single-threaded kernels of sl_attention.h, one table per instruction set.
///
/// A *lane* is one query row of one head of a group (the heads that share a key-value head); lanes of a sequence
/// are numbered row by row: lane = row * group + head of the group.
#ifndef SL_ATTENTION_KERNELS_H
#define SL_ATTENTION_KERNELS_H

#include "sl_attention.h"

/// Keys that are converted and multiplied at a time, and where the running maximum of a softmax is brought up to
/// date. Every other sum over keys or lanes runs one by one in ascending order, so all ways of cutting the work into
/// parts give the same bits.
enum { SL_KEY_BLOCK = 64 };
/// Lanes whose query side is kept at hand while the keys go by: a multiple of every tile.
enum { SL_LANE_CHUNK = 384 };
/// Few lanes over many keys: as many lanes at most, and the keys of a part.
enum { SL_FEW_LANES = 16, SL_KEY_CHUNK = 128 };

typedef struct sl_attention_job {
    const sl_attention_shape *shape;
    sl_matrix q, k, v, out;
    float *log_sum_exp;
    // Backward only.
    const float *saved_log_sum_exp;
    sl_matrix dout, dq, dk, dv;
    float *delta;
} sl_attention_job;

/// Query rows and keys of one sequence and one key-value head, both counted from the sequence's first.
typedef struct sl_attention_part {
    int64_t sequence, key_value_head;
    int64_t row_begin, row_end;
    int64_t key_begin, key_end;  ///< begin on a multiple of SL_KEY_BLOCK
} sl_attention_part;

typedef struct sl_attention_kernels {
    /// out and log_sum_exp of the part's rows; its keys are all that the sequence has.
    void (*forward)(const sl_attention_job *job, const sl_attention_part *part);
    /// Whether the next two can do a shape; they take parts with at most SL_FEW_LANES lanes and SL_KEY_CHUNK keys.
    bool (*fits_few)(const sl_attention_shape *shape);
    /// The softmax of the part's rows over its keys alone, all heads: [heads][lanes][head width + 2] floats. A part's
    /// lanes are those of one key-value head.
    void (*few)(const sl_attention_job *job, const sl_attention_part *part, float *partials);
    /// out of the part's rows, all heads, from `count` partials, `spacing` floats apart.
    void (*few_combine)(const sl_attention_job *job, const sl_attention_part *part, const float *partials,
                        int64_t count, int64_t spacing);
    /// delta of queries begin ..< end of the whole batch: a range kernel.
    void (*delta)(void *job, int64_t begin, int64_t end);
    /// With `want_query`, dq of the part's rows: its keys are then all that the sequence has.
    /// With `want_keys`, dk and dv of the part's keys: its rows are then all that the sequence has.
    void (*backward)(const sl_attention_job *job, const sl_attention_part *part, bool want_query, bool want_keys);
} sl_attention_kernels;

extern const sl_attention_kernels sl_attention_portable, sl_attention_neon, sl_attention_avx2, sl_attention_avx512,
    sl_attention_avx512_bf16, sl_attention_emulated_bf16;

#endif
