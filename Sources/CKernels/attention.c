// Cuts attention into parts that no two threads share and picks, for the backward, the cheaper way of cutting.
#include "sl_attention.h"

#include "kernel_tables.h"
#include "sl_threads.h"

const sl_attention_kernels *sl_attention_kernels_current(void) {
    switch (sl_isa_current()) {
#if defined(__x86_64__)
    case SL_ISA_AVX2: return &sl_attention_avx2;
    case SL_ISA_AVX512: return &sl_attention_avx512;
    case SL_ISA_AVX512_BF16: return &sl_attention_avx512_bf16;
    case SL_ISA_EMULATED_BF16: return &sl_attention_emulated_bf16;
#endif
#if defined(__aarch64__)
    case SL_ISA_NEON: return &sl_attention_neon;
#endif
    default: return &sl_attention_portable;
    }
}

typedef enum part_kind {
    FORWARD_ROWS,    // forward of some rows
    FORWARD_KEYS,    // forward of few lanes over some keys, all heads: their rows lie side by side
    BACKWARD_WHOLE,  // backward of a sequence and key-value head
    BACKWARD_ROWS,   // dq of some rows
    BACKWARD_KEYS,   // dk and dv of some keys
} part_kind;

// Parts are numbered sequence by sequence; `first_part` [sequences + 1] counts those of the sequences before.
typedef struct plan {
    const sl_attention_kernels *kernels;
    const sl_attention_job *job;
    part_kind kind;
    int64_t step;  // rows or keys of a part
    int64_t *first_part;
    float *partials;  // FORWARD_KEYS: [parts][partial_floats]
    int64_t partial_floats;
} plan;

static int64_t rows_of(const sl_attention_shape *shape, int64_t sequence) {
    return shape->query_starts[sequence + 1] - shape->query_starts[sequence];
}

static int64_t keys_of(const sl_attention_shape *shape, int64_t sequence) {
    return shape->key_starts[sequence + 1] - shape->key_starts[sequence];
}

static bool cuts_keys(part_kind kind) { return kind == FORWARD_KEYS || kind == BACKWARD_KEYS; }

static int64_t cuts_of(const plan *plan, int64_t sequence) {
    const sl_attention_shape *shape = plan->job->shape;
    if (plan->kind == BACKWARD_WHOLE) return 1;
    int64_t length = cuts_keys(plan->kind) ? keys_of(shape, sequence) : rows_of(shape, sequence);
    return (length + plan->step - 1) / plan->step;
}

static int64_t parts_of(const plan *plan, int64_t sequence) {
    int64_t cuts = cuts_of(plan, sequence);
    return plan->kind == FORWARD_KEYS ? cuts : cuts * plan->job->shape->key_value_heads;
}

// Of the sequence with the most rows, in whole cache lines.
static int64_t floats_of_partial(const sl_attention_shape *shape) {
    int64_t rows = 0;
    for (int64_t s = 0; s < shape->sequences; s++)
        if (rows_of(shape, s) > rows) rows = rows_of(shape, s);
    return (shape->heads * rows * (shape->head_width + 2) + 15) / 16 * 16;
}

static void run_part(void *context, int64_t index) {
    const plan *plan = context;
    const sl_attention_shape *shape = plan->job->shape;
    int64_t low = 0, high = shape->sequences;  // first_part[low] <= index < first_part[high]
    while (high - low > 1) {
        int64_t middle = (low + high) / 2;
        if (plan->first_part[middle] <= index) low = middle;
        else high = middle;
    }
    int64_t within = index - plan->first_part[low], cuts = cuts_of(plan, low);
    int64_t rows = rows_of(shape, low), keys = keys_of(shape, low);
    sl_attention_part part = {low, within / cuts, 0, rows, 0, keys};
    // Later rows see more keys, and earlier keys are seen by more rows: the long parts go first.
    int64_t cut = within % cuts;
    if (cuts_keys(plan->kind)) {
        part.key_begin = cut * plan->step;
        if (part.key_begin + plan->step < keys) part.key_end = part.key_begin + plan->step;
    } else if (plan->kind != BACKWARD_WHOLE) {
        part.row_begin = (cuts - 1 - cut) * plan->step;
        if (part.row_begin + plan->step < rows) part.row_end = part.row_begin + plan->step;
    }
    if (plan->kind == FORWARD_KEYS)
        plan->kernels->few(plan->job, &part, plan->partials + index * plan->partial_floats);
    else if (plan->kind == FORWARD_ROWS) plan->kernels->forward(plan->job, &part);
    else plan->kernels->backward(plan->job, &part, plan->kind != BACKWARD_KEYS, plan->kind != BACKWARD_ROWS);
}

static void combine_sequence(void *context, int64_t sequence) {
    const plan *plan = context;
    const sl_attention_shape *shape = plan->job->shape;
    sl_attention_part part = {.sequence = sequence, .row_end = rows_of(shape, sequence)};
    const float *partials = plan->partials + plan->first_part[sequence] * plan->partial_floats;
    plan->kernels->few_combine(plan->job, &part, partials, parts_of(plan, sequence), plan->partial_floats);
}

static void run_plan(const sl_attention_job *job, part_kind kind, int64_t step) {
    const sl_attention_shape *shape = job->shape;
    plan plan = {.kernels = sl_attention_kernels_current(), .job = job, .kind = kind, .step = step};
    int64_t parts = 0;
    for (int64_t s = 0; s < shape->sequences; s++) parts += parts_of(&plan, s);
    if (kind == FORWARD_KEYS) plan.partial_floats = floats_of_partial(shape);
    size_t partial_bytes = sizeof(float) * (size_t)(parts * plan.partial_floats);
    plan.partials = sl_thread_scratch(2, partial_bytes + sizeof(int64_t) * (size_t)(shape->sequences + 1));
    plan.first_part = (int64_t *)((char *)plan.partials + partial_bytes);
    plan.first_part[0] = 0;
    for (int64_t s = 0; s < shape->sequences; s++) plan.first_part[s + 1] = plan.first_part[s] + parts_of(&plan, s);
    sl_parallel(parts, run_part, &plan);
    if (kind == FORWARD_KEYS) sl_parallel(shape->sequences, combine_sequence, &plan);
}

static int64_t rows_per_part(const sl_attention_shape *shape) {
    int64_t rows = SL_LANE_CHUNK / (shape->heads / shape->key_value_heads);
    return rows > 0 ? rows : 1;
}

// Decoding. Not in training, where leaving out rows must not change a bit of the others.
static bool few_lanes_see_many_keys(const sl_attention_job *job) {
    const sl_attention_shape *shape = job->shape;
    int64_t group = shape->heads / shape->key_value_heads;
    bool many = false;
    for (int64_t s = 0; s < shape->sequences; s++) {
        if (rows_of(shape, s) * group > SL_FEW_LANES) return false;
        many |= keys_of(shape, s) > SL_KEY_CHUNK;
    }
    return many && !job->log_sum_exp && sl_attention_kernels_current()->fits_few(shape);
}

void sl_attention(const sl_attention_shape *shape, sl_matrix q, sl_matrix k, sl_matrix v, sl_matrix out,
                  float *log_sum_exp) {
    if (shape->sequences <= 0) return;
    sl_attention_job job = {.shape = shape, .q = q, .k = k, .v = v, .out = out, .log_sum_exp = log_sum_exp};
    if (few_lanes_see_many_keys(&job)) run_plan(&job, FORWARD_KEYS, SL_KEY_CHUNK);
    else run_plan(&job, FORWARD_ROWS, rows_per_part(shape));
}

// A whole sequence per thread takes five products per tile but may leave threads without work; rows and keys apart
// take seven, spread evenly. Both give the same bits.
static bool whole_sequences_are_quicker(const sl_attention_shape *shape) {
    // What a thread keeps of dk and dv in scratch.
    const int64_t most_bytes = 16 << 20;
    double total = 0, largest = 0, threads = sl_thread_count();
    for (int64_t s = 0; s < shape->sequences; s++) {
        int64_t keys = keys_of(shape, s);
        if (keys * shape->head_width * 2 * (int64_t)sizeof(float) > most_bytes) return false;
        double cost = (double)rows_of(shape, s) * (double)keys;
        total += cost * (double)shape->key_value_heads;
        if (cost > largest) largest = cost;
    }
    double whole = total / threads + largest * (threads - 1) / threads, apart = total / threads * 7 / 5;
    return whole <= apart;
}

void sl_attention_backward(const sl_attention_shape *shape, sl_matrix q, sl_matrix k, sl_matrix v, sl_matrix out,
                           const float *log_sum_exp, sl_matrix dout, float *delta, sl_matrix dq, sl_matrix dk,
                           sl_matrix dv) {
    if (shape->sequences <= 0) return;
    sl_attention_job job = {
        .shape = shape, .q = q, .k = k, .v = v, .out = out, .saved_log_sum_exp = log_sum_exp,
        .dout = dout, .dq = dq, .dk = dk, .dv = dv, .delta = delta,
    };
    int64_t row_width = shape->heads * shape->head_width, queries = shape->query_starts[shape->sequences];
    sl_parallel_ranges(queries, 1 + 16383 / row_width, sl_attention_kernels_current()->delta, &job);
    if (whole_sequences_are_quicker(shape)) {
        run_plan(&job, BACKWARD_WHOLE, 0);
        return;
    }
    run_plan(&job, BACKWARD_KEYS, 2 * SL_KEY_BLOCK);
    run_plan(&job, BACKWARD_ROWS, rows_per_part(shape));
}
