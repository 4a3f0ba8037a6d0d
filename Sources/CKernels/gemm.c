// Cuts the output of a matrix product into one rectangle per thread; the tables do the rest.
#include "sl_gemm.h"

#include "kernel_tables.h"
#include "sl_threads.h"

const sl_gemm_kernels *sl_gemm_kernels_current(void) {
    switch (sl_isa_current()) {
#if defined(__x86_64__)
    case SL_ISA_AVX2: return &sl_gemm_avx2;
    case SL_ISA_AVX512: return &sl_gemm_avx512;
    case SL_ISA_AVX512_BF16: return &sl_gemm_avx512_bf16;
    case SL_ISA_EMULATED_BF16: return &sl_gemm_emulated_bf16;
#endif
#if defined(__aarch64__)
    case SL_ISA_NEON: return &sl_gemm_neon;
#endif
    default: return &sl_gemm_portable;
    }
}

typedef struct gemm_job {
    const sl_gemm_kernels *kernels;
    bool small;
    int64_t rows, columns;
    const sl_product *products;
    int product_count;
    const sl_output *output;
    int64_t row_parts, column_parts;
} gemm_job;

// The boundary of part `index` of `parts`, on a multiple of `step` (the last part takes the ragged end).
static int64_t boundary(int64_t total, int64_t step, int64_t index, int64_t parts) {
    if (index == parts) return total;
    int64_t steps = (total + step - 1) / step;
    return steps * index / parts * step;
}

static void run_part(void *context, int64_t index) {
    const gemm_job *job = context;
    int64_t r = index / job->column_parts, c = index % job->column_parts;
    sl_gemm_tile tile = {
        boundary(job->rows, job->kernels->row_step, r, job->row_parts),
        boundary(job->rows, job->kernels->row_step, r + 1, job->row_parts),
        boundary(job->columns, job->kernels->column_step, c, job->column_parts),
        boundary(job->columns, job->kernels->column_step, c + 1, job->column_parts),
    };
    if (tile.row_begin >= tile.row_end || tile.column_begin >= tile.column_end) return;
    (job->small ? job->kernels->small_tile : job->kernels->tile)(
        &tile, job->products, job->product_count, job->output);
}

static int64_t steps_of_largest_part(int64_t total, int64_t step, int64_t parts) {
    int64_t steps = (total + step - 1) / step;
    return (steps + parts - 1) / parts;
}

void sl_gemm(int64_t rows, int64_t columns, const sl_product *products, int product_count,
             const sl_output *output) {
    if (rows <= 0 || columns <= 0) return;
    const sl_gemm_kernels *kernels = sl_gemm_kernels_current();
    int64_t depth = 0;
    for (int p = 0; p < product_count; p++) depth += products[p].depth;
    gemm_job job = {
        kernels, kernels->fits_small(rows, products, product_count), rows, columns, products, product_count, output, 1, 1,
    };
    int threads = sl_thread_count();
    // Waking a worker costs about as much as a tenth of a million multiply-adds.
    double work = (double)rows * (double)columns * (double)(depth > 0 ? depth : 1);
    if (threads > 1 && work > 2e5) {
        // Every part packs its own operands, so no thread ever waits for another. Choose the grid whose slowest
        // part, packing included (a packed element costs about ten multiply-adds), is the quickest.
        double best = -1;
        for (int row_parts = 1; row_parts <= threads; row_parts++) {
            int column_parts = threads / row_parts;
            double part_rows = (double)(steps_of_largest_part(rows, kernels->row_step, row_parts) * kernels->row_step);
            double part_columns =
                (double)(steps_of_largest_part(columns, kernels->column_step, column_parts) * kernels->column_step);
            double cost = part_rows * part_columns + 10 * (part_rows + part_columns);
            if (best < 0 || cost < best) {
                best = cost;
                job.row_parts = row_parts;
                job.column_parts = column_parts;
            }
        }
    }
    sl_parallel(job.row_parts * job.column_parts, run_part, &job);
}
