// Measures the machine's arithmetic peak and memory bandwidth with the pool's threads.
#define _GNU_SOURCE
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "sl_measure.h"

#include "kernel_tables.h"
#include "sl_threads.h"

static double seconds_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

typedef struct peak_job {
    const sl_gemm_kernels *kernels;
    bool dot;
    int64_t rounds;
    double operations[256];
} peak_job;

static void run_peak(void *context, int64_t index) {
    peak_job *job = context;
    job->operations[index] = job->kernels->peak(job->dot, job->rounds);
}

double sl_measure_peak(sl_type type, double seconds) {
    int threads = sl_thread_count();
    peak_job job = {.kernels = sl_gemm_kernels_current(), .dot = type == SL_BF16, .rounds = 20000};
    double operations = 0, start = seconds_now(), took;
    do {
        sl_parallel(threads, run_peak, &job);
        for (int i = 0; i < threads; i++) operations += job.operations[i];
        took = seconds_now() - start;
    } while (took < seconds);
    return operations / took;
}

typedef struct copy_job {
    char *from, *to;
    size_t bytes;
    int parts;
} copy_job;

static void run_copy(void *context, int64_t index) {
    const copy_job *job = context;
    size_t begin = job->bytes * (size_t)index / (size_t)job->parts;
    size_t end = job->bytes * ((size_t)index + 1) / (size_t)job->parts;
    memcpy(job->to + begin, job->from + begin, end - begin);
}

enum { HUGE_PAGE = 2 << 20 };

// Large pages as tensors have, or their ceiling would be too low: many systems give them only where they are asked for.
static char *large_pages(size_t bytes) {
    if (bytes > SIZE_MAX - HUGE_PAGE) return NULL;
    size_t rounded = (bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
    void *memory = NULL;
    if (posix_memalign(&memory, HUGE_PAGE, rounded)) return NULL;
#ifdef MADV_HUGEPAGE
    // A refusal costs only speed.
    madvise(memory, rounded, MADV_HUGEPAGE);
#endif
    return memory;
}

double sl_measure_copy(size_t bytes) {
    copy_job job = {large_pages(bytes), large_pages(bytes), bytes, sl_thread_count()};
    double best = 0;
    if (job.from && job.to) {
        memset(job.from, 1, bytes);
        memset(job.to, 2, bytes);
        for (int round = 0; round < 5; round++) {
            double start = seconds_now();
            sl_parallel(job.parts, run_copy, &job);
            double rate = 2.0 * (double)bytes / (seconds_now() - start);
            if (rate > best) best = rate;
        }
    }
    free(job.from);
    free(job.to);
    return best;
}
