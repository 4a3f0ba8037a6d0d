// Cuts attention into parts that no two threads share; for the backward, in the cheapest mixture of two ways.
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

typedef struct listed_part {
    part_kind kind;
    sl_attention_part part;
} listed_part;

typedef struct part_list {
    const sl_attention_kernels *kernels;
    const sl_attention_job *job;
    listed_part *parts;  // NULL while they are only counted
    int64_t count;
    int64_t whole;       // heads whose backward is done whole
    int64_t per_thread;  // parts that a thread begins with
    int threads;
    float *partials;     // FORWARD_KEYS: [parts][partial_floats]
    int64_t partial_floats;
} part_list;

static int64_t rows_of(const sl_attention_shape *shape, int64_t sequence) {
    return shape->query_starts[sequence + 1] - shape->query_starts[sequence];
}

static int64_t keys_of(const sl_attention_shape *shape, int64_t sequence) {
    return shape->key_starts[sequence + 1] - shape->key_starts[sequence];
}

// The keys that some row sees: a cache has room for more than its sequence has tokens so far.
static int64_t keys_seen(const sl_attention_shape *shape, int64_t sequence) {
    if (rows_of(shape, sequence) == 0) return 0;
    int64_t keys = keys_of(shape, sequence);
    int64_t last_position = shape->query_positions[shape->query_starts[sequence + 1] - 1];
    return last_position < keys ? last_position + 1 : keys;
}

// A sequence and key-value head in parts of `step` rows or keys. Later rows see more keys, and earlier keys are seen by
// more rows: the long parts go first.
static void add_parts(part_list *list, part_kind kind, int64_t step, int64_t sequence, int64_t head) {
    const sl_attention_shape *shape = list->job->shape;
    int64_t rows = rows_of(shape, sequence);
    int64_t keys = kind == FORWARD_KEYS ? keys_seen(shape, sequence) : keys_of(shape, sequence);
    bool cuts_keys = kind == FORWARD_KEYS || kind == BACKWARD_KEYS;
    int64_t cuts = kind == BACKWARD_WHOLE ? 1 : ((cuts_keys ? keys : rows) + step - 1) / step;
    for (int64_t cut = 0; cut < cuts; cut++, list->count++) {
        if (!list->parts) continue;
        sl_attention_part part = {sequence, head, 0, rows, 0, keys};
        if (cuts_keys) {
            part.key_begin = cut * step;
            if (part.key_begin + step < keys) part.key_end = part.key_begin + step;
        } else if (kind != BACKWARD_WHOLE) {
            part.row_begin = (cuts - 1 - cut) * step;
            if (part.row_begin + step < rows) part.row_end = part.row_begin + step;
        }
        list->parts[list->count] = (listed_part){kind, part};
    }
}

// Thread 0 begins with the list's first part, thread 1 with its second, and all go on in steps of as many: what comes
// first in the list, the longest parts, is begun first.
static void run_part(void *context, int64_t index) {
    const part_list *list = context;
    int64_t at = index % list->per_thread * list->threads + index / list->per_thread;
    if (at >= list->count) return;
    const listed_part *listed = &list->parts[at];
    switch (listed->kind) {
    case FORWARD_ROWS: list->kernels->forward(list->job, &listed->part); break;
    case FORWARD_KEYS:
        list->kernels->few(list->job, &listed->part, list->partials + at * list->partial_floats);
        break;
    case BACKWARD_WHOLE: list->kernels->backward(list->job, &listed->part, true, true); break;
    case BACKWARD_ROWS: list->kernels->backward(list->job, &listed->part, true, false); break;
    case BACKWARD_KEYS: list->kernels->backward(list->job, &listed->part, false, true); break;
    }
}

static void run_list(part_list *list, void (*add_all)(part_list *), int64_t partial_floats) {
    list->kernels = sl_attention_kernels_current();
    list->threads = sl_thread_count();
    list->partial_floats = partial_floats;
    add_all(list);
    size_t partial_bytes = sizeof(float) * (size_t)(list->count * partial_floats);
    list->partials = sl_thread_scratch(2, partial_bytes + sizeof(listed_part) * (size_t)list->count);
    list->parts = (listed_part *)((char *)list->partials + partial_bytes);
    list->count = 0;
    add_all(list);
    list->per_thread = (list->count + list->threads - 1) / list->threads;
    sl_parallel(list->per_thread * list->threads, run_part, list);
}

// A chunk's, or fewer where all threads would not have a few parts each.
static int64_t rows_per_part(const sl_attention_shape *shape) {
    int64_t group = shape->heads / shape->key_value_heads, rows = SL_LANE_CHUNK / group;
    int64_t all = shape->query_starts[shape->sequences] * shape->key_value_heads;
    while (rows * group > SL_LANE_CHUNK / 4 && all / rows < 4 * sl_thread_count()) rows /= 2;
    return rows > 0 ? rows : 1;
}

static void add_forward(part_list *list) {
    const sl_attention_shape *shape = list->job->shape;
    for (int64_t sequence = 0; sequence < shape->sequences; sequence++)
        for (int64_t head = 0; head < shape->key_value_heads; head++)
            add_parts(list, FORWARD_ROWS, rows_per_part(shape), sequence, head);
}

// Decoding. Not in training, where leaving out rows must not change a bit of the others.
static bool few_lanes_see_many_keys(const sl_attention_job *job) {
    const sl_attention_shape *shape = job->shape;
    int64_t group = shape->heads / shape->key_value_heads;
    bool many = false;
    for (int64_t s = 0; s < shape->sequences; s++) {
        if (rows_of(shape, s) * group > SL_FEW_LANES) return false;
        many |= keys_seen(shape, s) > SL_KEY_CHUNK;
    }
    return many && !job->log_sum_exp && sl_attention_kernels_current()->fits_few(shape);
}

static void add_few(part_list *list) {
    for (int64_t sequence = 0; sequence < list->job->shape->sequences; sequence++)
        add_parts(list, FORWARD_KEYS, SL_KEY_CHUNK, sequence, 0);
}

// Of the sequence with the most rows, in whole cache lines.
static int64_t floats_of_partial(const sl_attention_shape *shape) {
    int64_t rows = 0;
    for (int64_t s = 0; s < shape->sequences; s++)
        if (rows_of(shape, s) > rows) rows = rows_of(shape, s);
    return (shape->heads * rows * (shape->head_width + 2) + 15) / 16 * 16;
}

static void combine_sequence(void *context, int64_t sequence) {
    const part_list *list = context;
    int64_t first = 0, end = 0;
    for (; end < list->count && list->parts[end].part.sequence <= sequence; end++)
        if (list->parts[end].part.sequence < sequence) first = end + 1;
    sl_attention_part part = {.sequence = sequence, .row_end = rows_of(list->job->shape, sequence)};
    list->kernels->few_combine(list->job, &part, list->partials + first * list->partial_floats, end - first,
                               list->partial_floats);
}

void sl_attention(const sl_attention_shape *shape, sl_matrix q, sl_matrix k, sl_matrix v, sl_matrix out,
                  float *log_sum_exp) {
    if (shape->sequences <= 0) return;
    sl_attention_job job = {.shape = shape, .q = q, .k = k, .v = v, .out = out, .log_sum_exp = log_sum_exp};
    part_list list = {.job = &job};
    if (!few_lanes_see_many_keys(&job)) {
        run_list(&list, add_forward, 0);
        return;
    }
    run_list(&list, add_few, floats_of_partial(shape));
    sl_parallel(shape->sequences, combine_sequence, &list);
}

// What a thread keeps of dk and dv in scratch at most.
enum { MOST_KEY_BYTES = 16 << 20 };

static bool fits_whole(const sl_attention_shape *shape, int64_t sequence) {
    return keys_of(shape, sequence) * shape->head_width * 2 * (int64_t)sizeof(float) <= MOST_KEY_BYTES;
}

static double pairs_of(const sl_attention_shape *shape, int64_t sequence) {
    return (double)rows_of(shape, sequence) * (double)keys_of(shape, sequence);
}

// A sequence's head in one part takes five products per tile, but a few of them may leave threads without work; in rows and
// keys apart it takes seven, spread evenly. Both give the same bits. So the first heads, as many as this says, are whole
// parts, and the rest fills up what they leave.
static int64_t heads_done_whole(const sl_attention_shape *shape) {
    const double apart_by_whole = 7.0 / 5;
    int threads = sl_thread_count();
    double loads[SL_MOST_THREADS] = {0}, whole = 0, apart = 0, longest = 0;
    for (int64_t s = 0; s < shape->sequences; s++) apart += (double)shape->key_value_heads * pairs_of(shape, s);
    double least = apart_by_whole * apart / threads;
    int64_t best = 0;
    for (int64_t i = 0; i < shape->sequences * shape->key_value_heads; i++) {
        int64_t sequence = i / shape->key_value_heads;
        if (!fits_whole(shape, sequence)) continue;
        int emptiest = 0;
        for (int thread = 1; thread < threads; thread++)
            if (loads[thread] < loads[emptiest]) emptiest = thread;
        loads[emptiest] += pairs_of(shape, sequence);
        if (loads[emptiest] > longest) longest = loads[emptiest];
        whole += pairs_of(shape, sequence);
        apart -= pairs_of(shape, sequence);
        double spread = (whole + apart_by_whole * apart) / threads, time = longest > spread ? longest : spread;
        if (time > least) continue;
        least = time;
        best = i + 1;
    }
    return best;
}

static void add_backward(part_list *list) {
    const sl_attention_shape *shape = list->job->shape;
    for (part_kind kind = BACKWARD_WHOLE; kind <= BACKWARD_KEYS; kind++)
        for (int64_t i = 0; i < shape->sequences * shape->key_value_heads; i++) {
            int64_t sequence = i / shape->key_value_heads, head = i % shape->key_value_heads;
            bool is_whole = i < list->whole && fits_whole(shape, sequence);
            if (is_whole != (kind == BACKWARD_WHOLE)) continue;
            add_parts(list, kind, kind == BACKWARD_ROWS ? rows_per_part(shape) : 2 * SL_KEY_BLOCK, sequence, head);
        }
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
    part_list list = {.job = &job, .whole = heads_done_whole(shape)};
    run_list(&list, add_backward, 0);
}
