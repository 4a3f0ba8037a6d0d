/// The single-threaded kernels of sl_ops.h, one table per instruction set. A kernel has the signature of a task of
/// sl_parallel_ranges: it takes its arguments as a job and computes the rows (or units) begin ..< end.
#ifndef SL_OPS_KERNELS_H
#define SL_OPS_KERNELS_H

#include "sl_ops.h"

/// Elementwise operations count units: a unit is a row's piece of at most this many columns, so that one long row
/// spreads over the threads as well as many short ones.
enum { SL_UNIT_COLUMNS = 4096 };

typedef struct sl_rms_norm_job {
    int64_t width;
    sl_matrix x, y;
    const float *weight;
    float offset, epsilon;
    float *inverse_rms;
} sl_rms_norm_job;

typedef struct sl_rms_norm_backward_job {
    int64_t width;
    sl_matrix x, dy, dx;
    const float *weight;
    float offset;
    const float *inverse_rms;
    bool accumulate;
} sl_rms_norm_backward_job;

typedef struct sl_rotary_job {
    int64_t heads, head_width, rotary_width;
    sl_matrix x;
    const int32_t *positions;
    const float *cosines, *sines;
    float direction;
} sl_rotary_job;

typedef struct sl_gated_job {
    int64_t width;
    sl_activation activation;
    const int32_t *chosen;
    sl_matrix gate, up, out;
} sl_gated_job;

typedef struct sl_gated_backward_job {
    int64_t width;
    sl_activation activation;
    const int32_t *chosen;
    sl_matrix gate, up, dout, dgate, dup;
} sl_gated_backward_job;

/// Also scatters: `indices` then address the rows of `out`.
typedef struct sl_indexed_rows_job {
    int64_t width;
    sl_matrix in, out;
    const int32_t *indices;
    float scale;
    bool accumulate;
} sl_indexed_rows_job;

typedef struct sl_sum_rows_job {
    int64_t width;
    sl_matrix in, out;
    const int32_t *starts, *members;
} sl_sum_rows_job;

typedef struct sl_add_job {
    int64_t width;
    sl_matrix a, b, out;
} sl_add_job;

/// Also fills: `scale` is then the value.
typedef struct sl_scale_job {
    int64_t width;
    float scale;
    sl_matrix x, out;
} sl_scale_job;

/// Its range is one of columns.
typedef struct sl_column_sums_job {
    int64_t rows;
    sl_matrix x;
    const int32_t *indices;  ///< NULL: all rows
    bool squared;
    float *out;
    bool accumulate;
} sl_column_sums_job;

typedef struct sl_squared_row_sums_job {
    int64_t width;
    sl_matrix x;
    const int32_t *indices;  ///< NULL: all rows
    float *out;
} sl_squared_row_sums_job;

typedef struct sl_dropout_job {
    int64_t width;
    uint32_t threshold;  ///< an element whose hash is below is dropped
    uint32_t keys[2];
    float scale;
    sl_matrix x, out;
} sl_dropout_job;

/// What a row's state holds.
enum { SL_LOSS_LARGEST, SL_LOSS_SUM, SL_LOSS_LABEL, SL_LOSS_LABEL_SLOPE };

typedef struct sl_cross_entropy_block_job {
    int64_t columns, first_column, width;
    sl_matrix logits, sums;
    const int32_t *labels;
    float softcap;
    float *state;
} sl_cross_entropy_block_job;

/// Its range is one of groups of SL_PEAK_COLUMNS columns.
typedef struct sl_cross_entropy_peaks_job {
    int64_t rows, columns;
    sl_matrix logits;
    const int32_t *labels;
    const float *state;
    float *peaks;
} sl_cross_entropy_peaks_job;
enum { SL_PEAK_COLUMNS = 64 };

typedef struct sl_cross_entropy_end_job {
    int64_t width;
    const int32_t *labels;
    const float *state;
    float *loss;
    float gradient_scale;
    sl_matrix sums, head, gradient;
} sl_cross_entropy_end_job;

/// Its range is one of elements.
typedef struct sl_adamw_job {
    float *parameter;
    const float *gradient;
    float *first_moment, *second_moment;
    const sl_adamw_settings *settings;
} sl_adamw_job;

typedef void sl_range_kernel(void *job, int64_t begin, int64_t end);

typedef struct sl_ops_kernels {
    sl_range_kernel *rms_norm, *rms_norm_backward, *rotary, *gather_rows, *scatter_rows, *sum_rows, *column_sums;
    sl_range_kernel *squared_row_sums;
    sl_range_kernel *cross_entropy_block, *cross_entropy_peaks, *cross_entropy_end;
    sl_range_kernel *gated, *gated_backward, *add, *scale, *fill, *dropout;  ///< ranges of units
    sl_range_kernel *adamw;
    double (*sum_of_squares)(int64_t count, const float *x);
    int64_t (*argmax)(int64_t count, const float *x);
} sl_ops_kernels;

extern const sl_ops_kernels sl_ops_portable, sl_ops_neon, sl_ops_avx2, sl_ops_avx512, sl_ops_avx512_bf16,
    sl_ops_emulated_bf16;

#endif
