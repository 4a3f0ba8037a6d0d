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
enum { LEAST_PIECE = 64, MOST_PIECES = 64 };

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
    int64_t depth = products[0].depth, most = depth / LEAST_PIECE, wanted = 1;
    // A power of two, so that as many go to every thread.
    while (2 * wanted <= most && wanted < MOST_PIECES) wanted *= 2;
    int64_t piece_depth = (depth + wanted - 1) / wanted, pieces = (depth + piece_depth - 1) / piece_depth;
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

// Many rows: threads pack the right operands together, panel by panel, and then take blocks of rows. A thread's blocks
// become smaller towards the end of its stretch, so that whoever is done first can help until all are done. Only where
// rows are runs of memory: a narrow block of others would use little of every cache line.
enum { FEW_ROWS = 512, PANEL_BYTES = 8 << 20 };

typedef struct packed_job {
    const sl_gemm_kernels *kernels;
    int64_t rows, column_begin, column_end;
    const sl_product *products;
    int product_count;
    const sl_output *output;
    uint32_t *panels;
    int64_t panel_size;
    int64_t block_rows, blocks_of_thread;
    int threads;
} packed_job;

static void pack_panel(void *context, int64_t index) {
    const packed_job *job = context;
    job->kernels->pack_right(job->column_begin + index * job->kernels->column_step, job->column_end, job->products,
                             job->product_count, job->panels + index * job->panel_size);
}

static int64_t steps_of_next_block(int64_t steps_left, int64_t most) {
    int64_t half = (steps_left + 1) / 2;
    return half < most ? half : most;
}

static int64_t block_count(int64_t steps, int64_t most) {
    int64_t count = 0;
    for (; steps > 0; count++) steps -= steps_of_next_block(steps, most);
    return count;
}

static void run_block(void *context, int64_t index) {
    const packed_job *job = context;
    int64_t step = job->kernels->row_step, most = job->block_rows / step;
    int64_t thread = index / job->blocks_of_thread, block = index % job->blocks_of_thread;
    int64_t begin = boundary(job->rows, step, thread, job->threads);
    int64_t end = boundary(job->rows, step, thread + 1, job->threads);
    while (block-- > 0) begin += steps_of_next_block((end - begin + step - 1) / step, most) * step;
    if (begin >= end) return;
    int64_t last = begin + steps_of_next_block((end - begin + step - 1) / step, most) * step;
    sl_gemm_tile tile = {begin, last < end ? last : end, job->column_begin, job->column_end};
    job->kernels->packed_tile(&tile, job->products, job->product_count, job->output, job->panels);
}

static void multiply_packed(packed_job job, int64_t columns) {
    int64_t row_step = job.kernels->row_step, column_step = job.kernels->column_step;
    int64_t panels = (columns + column_step - 1) / column_step;
    int64_t most = PANEL_BYTES / (int64_t)sizeof *job.panels / job.panel_size;
    if (most < 1) most = 1;
    // Blocks of columns of nearly equal width.
    int64_t blocks = (panels + most - 1) / most, at_once = (panels + blocks - 1) / blocks;
    job.panels = sl_thread_scratch(2, sizeof *job.panels * (size_t)(at_once * job.panel_size));
    job.blocks_of_thread = block_count(steps_of_largest_part(job.rows, row_step, job.threads), job.block_rows / row_step);
    for (int64_t first = 0; first < panels; first += at_once) {
        int64_t here = panels - first < at_once ? panels - first : at_once;
        job.column_begin = first * column_step;
        job.column_end = first + here < panels ? (first + here) * column_step : columns;
        sl_parallel(here, pack_panel, &job);
        sl_parallel(job.threads * job.blocks_of_thread, run_block, &job);
    }
}

// Waking a worker costs about as much as a tenth of a million multiply-adds.
#define LEAST_SHARED_WORK 2e5

static int64_t depth_of_all(const sl_product *products, int product_count) {
    int64_t depth = 0;
    for (int p = 0; p < product_count; p++) depth += products[p].depth;
    return depth;
}

// Multiply-adds of a sum of products; one for each element of a sum without depth.
static double work_of(int64_t rows, int64_t columns, int64_t depth) {
    return (double)rows * (double)columns * (double)(depth > 0 ? depth : 1);
}

// Into how many parts a product of few rows is cut. Nothing is packed, so more parts than threads cost nothing, and a
// thread that is late keeps nobody waiting.
static int64_t small_parts(double work, int threads) {
    double parts = work / 5e4, most = threads > 1 ? 4 * threads : 1;
    return parts < 1 ? 1 : parts < most ? (int64_t)parts : (int64_t)most;
}

// Many rows and few columns are computed the other way round where columns fill too little of a right panel, or where left
// rows are no runs of memory (gradients of B), so that packing them costs more than multiplying them. The same sums.
enum { LEAST_TURNED_ROWS = 32, MOST_TURNED_COLUMNS = 128 };

static bool gains_turned(const sl_gemm_kernels *kernels, int64_t rows, int64_t columns, const sl_product *product,
                         const sl_output *output) {
    bool fills_little = 4 * columns <= kernels->column_step;
    return rows >= LEAST_TURNED_ROWS && rows > columns && columns <= MOST_TURNED_COLUMNS
        && (product->left.depth_stride != 1 || fills_little)
        && product->left.type == product->right.type  // what is rounded depends on the side
        && !output->row_index && !output->column_index && !output->bias && rows * output->stride <= INT32_MAX;
}

static void multiply_turned(int64_t rows, int64_t columns, const sl_product *product, const sl_output *output) {
    sl_product turned = *product;
    turned.left = product->right;
    turned.right = product->left;
    int32_t *columns_of_rows = sl_thread_scratch(1, sizeof *columns_of_rows * (size_t)rows);
    for (int64_t row = 0; row < rows; row++) columns_of_rows[row] = (int32_t)(row * output->stride);
    sl_output scattered = *output;
    scattered.stride = 1;
    scattered.column_index = columns_of_rows;
    sl_gemm(columns, rows, &turned, 1, &scattered);
}

void sl_gemm(int64_t rows, int64_t columns, const sl_product *products, int product_count,
             const sl_output *output) {
    if (rows <= 0 || columns <= 0) return;
    const sl_gemm_kernels *kernels = sl_gemm_kernels_current();
    if (product_count == 1 && gains_turned(kernels, rows, columns, products, output)) {
        multiply_turned(rows, columns, products, output);
        return;
    }
    bool small = kernels->fits_small(rows, products, product_count);
    if (small && products[0].right.depth_stride != 1 && products[0].depth >= 2 * LEAST_PIECE) {
        multiply_in_pieces(kernels, rows, columns, products, product_count, output);
        return;
    }
    int64_t depth = depth_of_all(products, product_count);
    if (rows > FEW_ROWS && depth > 0 && products[0].left.depth_stride == 1) {
        packed_job job = {
            .kernels = kernels, .rows = rows, .products = products, .product_count = product_count, .output = output,
            .panel_size = kernels->panel_size(products, product_count),
            .block_rows = kernels->block_rows(products, product_count), .threads = sl_thread_count(),
        };
        multiply_packed(job, columns);
        return;
    }
    gemm_job job = {kernels, small, rows, columns, products, product_count, output, 1, 1};
    int threads = sl_thread_count();
    double work = work_of(rows, columns, depth);
    if (small) {
        job.column_parts = small_parts(work, threads);
    } else if (threads > 1 && work > LEAST_SHARED_WORK) {
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

enum { MOST_TOGETHER = 8 };

typedef struct joined_jobs {
    int count;
    gemm_job jobs[MOST_TOGETHER];
    int64_t ends[MOST_TOGETHER];  // of each job's parts
} joined_jobs;

static void run_joined_part(void *context, int64_t index) {
    joined_jobs *joined = context;
    int number = 0;
    while (index >= joined->ends[number]) number++;
    run_part(&joined->jobs[number], index - (number > 0 ? joined->ends[number - 1] : 0));
}

// Adds a product; false where it is not one that `sl_gemm` would cut into parts of its columns alone.
static bool join(joined_jobs *joined, const sl_gemm_call *call) {
    const sl_gemm_kernels *kernels = sl_gemm_kernels_current();
    if (joined->count == MOST_TOGETHER || call->rows <= 0 || call->columns <= 0
        || call->products[0].right.depth_stride != 1
        || !kernels->fits_small(call->rows, call->products, call->product_count))
        return false;
    int64_t depth = depth_of_all(call->products, call->product_count);
    int64_t parts = small_parts(work_of(call->rows, call->columns, depth), sl_thread_count());
    joined->jobs[joined->count] = (gemm_job){
        kernels, true, call->rows, call->columns, call->products, call->product_count, call->output, 1, parts,
    };
    joined->ends[joined->count] = parts + (joined->count > 0 ? joined->ends[joined->count - 1] : 0);
    joined->count++;
    return true;
}

void sl_gemm_together(const sl_gemm_call *calls, int count) {
    joined_jobs joined = {.count = 0};
    for (int i = 0; i < count; i++)
        if (!join(&joined, &calls[i]))
            sl_gemm(calls[i].rows, calls[i].columns, calls[i].products, calls[i].product_count, calls[i].output);
    if (joined.count > 0) sl_parallel(joined.ends[joined.count - 1], run_joined_part, &joined);
}
