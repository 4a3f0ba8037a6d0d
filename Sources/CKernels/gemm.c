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

// Few rows times a right operand with adjacent columns: a part of the columns would read a short run of every row, so
// the depth is cut instead, into pieces that depend on the shape alone, and their sums are added up at the end.
enum { LEAST_PIECE = 128, MOST_PIECES = 64 };

typedef struct pieces_job {
    const sl_gemm_kernels *kernels;
    int64_t rows, columns;
    const sl_product *products;
    int product_count;
    int64_t piece_depth;
    float *sums;  // [pieces][rows][columns]
} pieces_job;

static sl_operand from_depth(sl_operand operand, int64_t begin) {
    if (operand.depth_index) operand.depth_index += begin;
    else operand.data = (const char *)operand.data + begin * operand.depth_stride * sl_element_size(operand.type);
    return operand;
}

static void run_piece(void *context, int64_t index) {
    const pieces_job *job = context;
    sl_product piece = job->products[0];
    int64_t begin = index * job->piece_depth;
    piece.left = from_depth(piece.left, begin);
    piece.right = from_depth(piece.right, begin);
    piece.depth = piece.depth - begin < job->piece_depth ? piece.depth - begin : job->piece_depth;
    sl_gemm_tile whole = {0, job->rows, 0, job->columns};
    sl_output output = {
        .data = job->sums + index * job->rows * job->columns, .type = SL_F32, .stride = job->columns,
    };
    job->kernels->small_tile(&whole, &piece, 1, &output);
    if (index > 0 || job->product_count == 1) return;
    output.accumulate = true;
    job->kernels->small_tile(&whole, job->products + 1, job->product_count - 1, &output);
}

static void multiply_in_pieces(const sl_gemm_kernels *kernels, int64_t rows, int64_t columns, const sl_product *products,
                               int product_count, const sl_output *output) {
    int64_t depth = products[0].depth, piece_depth = (depth + MOST_PIECES - 1) / MOST_PIECES;
    if (piece_depth < LEAST_PIECE) piece_depth = LEAST_PIECE;
    int64_t pieces = (depth + piece_depth - 1) / piece_depth;
    float *sums = sl_thread_scratch(2, sizeof(float) * (size_t)(pieces * rows * columns));
    pieces_job job = {kernels, rows, columns, products, product_count, piece_depth, sums};
    sl_parallel(pieces, run_piece, &job);
    const float one = 1;
    for (int64_t row = 0; row < rows; row++) {
        sl_product total = {
            .left = {.data = &one, .type = SL_F32},
            .right = {.data = sums + row * columns, .type = SL_F32, .outer_stride = 1, .depth_stride = rows * columns},
            .depth = pieces,
            .scale = 1,
        };
        sl_gemm_tile tile = {row, row + 1, 0, columns};
        kernels->small_tile(&tile, &total, 1, output);
    }
}

void sl_gemm(int64_t rows, int64_t columns, const sl_product *products, int product_count,
             const sl_output *output) {
    if (rows <= 0 || columns <= 0) return;
    const sl_gemm_kernels *kernels = sl_gemm_kernels_current();
    bool small = kernels->fits_small(rows, products, product_count);
    if (small && products[0].right.depth_stride != 1 && products[0].depth > LEAST_PIECE) {
        multiply_in_pieces(kernels, rows, columns, products, product_count, output);
        return;
    }
    int64_t depth = 0;
    for (int p = 0; p < product_count; p++) depth += products[p].depth;
    gemm_job job = {kernels, small, rows, columns, products, product_count, output, 1, 1};
    int threads = sl_thread_count();
    // Waking a worker costs about as much as a tenth of a million multiply-adds.
    double work = (double)rows * (double)columns * (double)(depth > 0 ? depth : 1);
    if (small) {
        // Nothing is packed, so more parts than threads cost nothing, and a thread that is late keeps nobody waiting.
        double parts = work / 5e4, most = threads > 1 ? 4 * threads : 1;
        job.column_parts = parts < 1 ? 1 : parts < most ? (int64_t)parts : (int64_t)most;
    } else if (threads > 1 && work > 2e5) {
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
