// Splits the operations of sl_ops.h over the pool; the tables do the work.
#include "sl_ops.h"

#include "kernel_tables.h"
#include "sl_threads.h"

const sl_ops_kernels *sl_ops_kernels_current(void) {
    switch (sl_isa_current()) {
#if defined(__x86_64__)
    case SL_ISA_AVX2: return &sl_ops_avx2;
    case SL_ISA_AVX512: return &sl_ops_avx512;
    case SL_ISA_AVX512_BF16: return &sl_ops_avx512_bf16;
    case SL_ISA_EMULATED_BF16: return &sl_ops_emulated_bf16;
#endif
#if defined(__aarch64__)
    case SL_ISA_NEON: return &sl_ops_neon;
#endif
    default: return &sl_ops_portable;
    }
}

// Elements per task: a few microseconds, several times what waking a thread costs.
enum { GRAIN = 16384 };

static void over_rows(int64_t rows, int64_t width, sl_range_kernel *kernel, void *job) {
    if (width > 0) sl_parallel_ranges(rows, 1 + (GRAIN - 1) / width, kernel, job);
}

static void over_units(int64_t rows, int64_t width, sl_range_kernel *kernel, void *job) {
    int64_t per_row = (width + SL_UNIT_COLUMNS - 1) / SL_UNIT_COLUMNS;
    int64_t columns = width < SL_UNIT_COLUMNS ? width : SL_UNIT_COLUMNS;
    if (width > 0) sl_parallel_ranges(rows * per_row, 1 + (GRAIN - 1) / columns, kernel, job);
}

void sl_rms_norm(int64_t rows, int64_t width, sl_matrix x, const float *weight, float offset, float epsilon,
                 sl_matrix y, float *inverse_rms) {
    sl_rms_norm_job job = {width, x, y, weight, offset, epsilon, inverse_rms};
    over_rows(rows, width, sl_ops_kernels_current()->rms_norm, &job);
}

void sl_rms_norm_backward(int64_t rows, int64_t width, sl_matrix x, const float *weight, float offset,
                          const float *inverse_rms, sl_matrix dy, sl_matrix dx, bool accumulate) {
    sl_rms_norm_backward_job job = {width, x, dy, dx, weight, offset, inverse_rms, accumulate};
    over_rows(rows, width, sl_ops_kernels_current()->rms_norm_backward, &job);
}

void sl_rotary(int64_t rows, int64_t heads, int64_t head_width, int64_t rotary_width, sl_matrix x,
               const int32_t *positions, const float *cosines, const float *sines, float direction) {
    sl_rotary_job job = {heads, head_width, rotary_width, x, positions, cosines, sines, direction};
    over_rows(rows, heads * rotary_width, sl_ops_kernels_current()->rotary, &job);
}

void sl_gated(int64_t rows, int64_t width, sl_activation activation, const int32_t *chosen, sl_matrix gate,
              sl_matrix up, sl_matrix out) {
    sl_gated_job job = {width, activation, chosen, gate, up, out};
    over_units(rows, width, sl_ops_kernels_current()->gated, &job);
}

void sl_gated_backward(int64_t rows, int64_t width, sl_activation activation, const int32_t *chosen, sl_matrix gate,
                       sl_matrix up, sl_matrix dout, sl_matrix dgate, sl_matrix dup) {
    sl_gated_backward_job job = {width, activation, chosen, gate, up, dout, dgate, dup};
    over_units(rows, width, sl_ops_kernels_current()->gated_backward, &job);
}

void sl_gather_rows(int64_t rows, int64_t width, sl_matrix table, const int32_t *indices, float scale, sl_matrix out) {
    sl_indexed_rows_job job = {width, table, out, indices, scale, false};
    over_rows(rows, width, sl_ops_kernels_current()->gather_rows, &job);
}

void sl_scatter_rows(int64_t rows, int64_t width, sl_matrix in, const int32_t *indices, sl_matrix out,
                     bool accumulate) {
    sl_indexed_rows_job job = {width, in, out, indices, 1, accumulate};
    over_rows(rows, width, sl_ops_kernels_current()->scatter_rows, &job);
}

void sl_sum_rows(int64_t rows, int64_t width, sl_matrix in, const int32_t *starts, const int32_t *members,
                 sl_matrix out) {
    sl_sum_rows_job job = {width, in, out, starts, members};
    over_rows(rows, width, sl_ops_kernels_current()->sum_rows, &job);
}

void sl_add(int64_t rows, int64_t width, sl_matrix a, sl_matrix b, sl_matrix out) {
    sl_add_job job = {width, a, b, out};
    over_units(rows, width, sl_ops_kernels_current()->add, &job);
}

void sl_scale(int64_t rows, int64_t width, float scale, sl_matrix x, sl_matrix out) {
    sl_scale_job job = {width, scale, x, out};
    over_units(rows, width, sl_ops_kernels_current()->scale, &job);
}

void sl_fill(int64_t rows, int64_t width, float value, sl_matrix out) {
    sl_scale_job job = {width, value, out, out};
    over_units(rows, width, sl_ops_kernels_current()->fill, &job);
}

void sl_column_sums(int64_t rows, int64_t width, sl_matrix x, const int32_t *indices, bool squared, float *out,
                    bool accumulate) {
    sl_column_sums_job job = {rows, x, indices, squared, out, accumulate};
    // Split by columns, a cache line's worth at least: every column is summed by one thread in one order.
    int64_t grain = rows > 0 ? GRAIN / rows : width;
    sl_parallel_ranges(width, grain < 64 ? 64 : grain, sl_ops_kernels_current()->column_sums, &job);
}

void sl_squared_row_sums(int64_t rows, int64_t width, sl_matrix x, const int32_t *indices, float *out) {
    sl_squared_row_sums_job job = {width, x, indices, out};
    over_rows(rows, width, sl_ops_kernels_current()->squared_row_sums, &job);
}

// The finaliser of SplitMix64.
static uint64_t mix64(uint64_t x) {
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

void sl_dropout(int64_t rows, int64_t width, float rate, uint64_t seed, sl_matrix x, sl_matrix out) {
    if (rate >= 1) {
        sl_fill(rows, width, 0, out);
        return;
    }
    uint64_t key = mix64(seed);
    double threshold = rate > 0 ? (double)rate * 4294967296.0 + 0.5 : 0;
    sl_dropout_job job = {
        .width = width,
        .threshold = threshold < 4294967295.0 ? (uint32_t)threshold : 4294967295u,
        .keys = {(uint32_t)key, (uint32_t)(key >> 32)},
        .scale = (float)(1 / (1 - (double)rate)),
        .x = x,
        .out = out,
    };
    over_units(rows, width, sl_ops_kernels_current()->dropout, &job);
}

void sl_cross_entropy_block(int64_t rows, int64_t columns, int64_t first_column, sl_matrix logits,
                            const int32_t *labels, float softcap, float *state, int64_t width, sl_matrix sums) {
    sl_cross_entropy_block_job job = {columns, first_column, width, logits, sums, labels, softcap, state};
    over_rows(rows, columns, sl_ops_kernels_current()->cross_entropy_block, &job);
}

void sl_cross_entropy_peaks(int64_t rows, int64_t columns, sl_matrix logits, const int32_t *labels,
                            const float *state, float *peaks) {
    sl_cross_entropy_peaks_job job = {rows, columns, logits, labels, state, peaks};
    int64_t groups = (columns + SL_PEAK_COLUMNS - 1) / SL_PEAK_COLUMNS;
    sl_parallel_ranges(groups, 1 + (GRAIN - 1) / (rows * SL_PEAK_COLUMNS), sl_ops_kernels_current()->cross_entropy_peaks,
                       &job);
}

void sl_cross_entropy_end(int64_t rows, const int32_t *labels, const float *state, float *loss, int64_t width,
                          sl_matrix sums, sl_matrix head, float gradient_scale, sl_matrix gradient) {
    sl_cross_entropy_end_job job = {width, labels, state, loss, gradient_scale, sums, head, gradient};
    over_rows(rows, width, sl_ops_kernels_current()->cross_entropy_end, &job);
}

void sl_adamw(int64_t count, float *parameter, const float *gradient, float *first_moment, float *second_moment,
              const sl_adamw_settings *settings) {
    sl_adamw_job job = {parameter, gradient, first_moment, second_moment, settings};
    sl_parallel_ranges(count, GRAIN / 4, sl_ops_kernels_current()->adamw, &job);
}

typedef struct squares_job {
    const sl_ops_kernels *kernels;
    int64_t count;
    const float *x;
    double *sums;
} squares_job;

enum { SQUARES_CHUNK = 32768 };

static void sum_chunks(void *context, int64_t begin, int64_t end) {
    const squares_job *job = context;
    for (int64_t chunk = begin; chunk < end; chunk++) {
        int64_t first = chunk * SQUARES_CHUNK, left = job->count - first;
        job->sums[chunk] =
            job->kernels->sum_of_squares(left < SQUARES_CHUNK ? left : SQUARES_CHUNK, job->x + first);
    }
}

double sl_sum_of_squares(int64_t count, const float *x) {
    int64_t chunks = (count + SQUARES_CHUNK - 1) / SQUARES_CHUNK;
    if (chunks <= 0) return 0;
    double *sums = sl_thread_scratch(2, (size_t)chunks * sizeof *sums);
    squares_job job = {sl_ops_kernels_current(), count, x, sums};
    sl_parallel_ranges(chunks, 1, sum_chunks, &job);
    double sum = 0;
    for (int64_t chunk = 0; chunk < chunks; chunk++) sum += sums[chunk];
    return sum;
}

int64_t sl_argmax(int64_t count, const float *x) { return sl_ops_kernels_current()->argmax(count, x); }
