// The thread pool. One job at a time: the caller publishes it, works along, and waits for the workers it called.
#define _GNU_SOURCE
#include "sl_threads.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SPIN_ROUNDS = 4000, SCRATCH_SLOTS = 3, SMALL_PAGE = 4096, HUGE_PAGE = 2 << 20 };

typedef struct job {
    void (*task)(void *, int64_t);
    void *context;
} job;

static pthread_mutex_t pool_lock = PTHREAD_MUTEX_INITIALIZER;  // held by whoever runs a job
static atomic_int thread_count;                                // 0 until first asked for
static int workers_started;                                    // under pool_lock
static job current_job;
// Every thread begins with a stretch of its own, the same in every job of a kind: the rows that it wrote last are still
// in its cache. Then it helps the others.
typedef struct stretch {
    _Alignas(64) atomic_llong next;
    int64_t end;
} stretch;
static stretch stretches[SL_MOST_THREADS];
static atomic_int workers_running;
// High bits count the jobs, the low 9 bits say how many threads take part in the newest one. One word, so that a
// worker always sees a matching pair.
static _Atomic uint32_t announcement;
static atomic_int sleepers;
static _Thread_local bool inside_task;

static inline void relax(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void futex_wait(_Atomic uint32_t *word, uint32_t expected) {
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, NULL, NULL, 0);
}

static void futex_wake_all(_Atomic uint32_t *word) {
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 0x7fffffff, NULL, NULL, 0);
}

static int processors_allowed(void) {
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0) return CPU_COUNT(&set);
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (int)online : 1;
}

static int clamp_count(long count) { return count < 1 ? 1 : count > SL_MOST_THREADS ? SL_MOST_THREADS : (int)count; }

int sl_thread_count(void) {
    int count = atomic_load_explicit(&thread_count, memory_order_relaxed);
    if (count > 0) return count;
    const char *wanted = getenv("SPARSELORA_THREADS");
    long parsed = wanted ? strtol(wanted, NULL, 10) : 0;
    int unset = 0;
    atomic_compare_exchange_strong(&thread_count, &unset, clamp_count(parsed > 0 ? parsed : processors_allowed()));
    return atomic_load(&thread_count);
}

void sl_set_thread_count(int count) { atomic_store(&thread_count, clamp_count(count)); }

static void take_indices(int number, int threads) {
    bool outer = inside_task;
    inside_task = true;
    for (int turn = 0; turn < threads; turn++) {
        stretch *from = &stretches[(number + turn) % threads];
        for (;;) {
            int64_t index = atomic_fetch_add_explicit(&from->next, 1, memory_order_relaxed);
            if (index >= from->end) break;
            current_job.task(current_job.context, index);
        }
    }
    inside_task = outer;
}

static void *worker(void *argument) {
    int number = (int)(intptr_t)argument;  // 1-based: the caller of a job is thread 0
    uint32_t seen = 0;
    for (;;) {
        uint32_t now = atomic_load_explicit(&announcement, memory_order_acquire);
        for (int round = 0; now == seen && round < SPIN_ROUNDS; round++) {
            relax();
            now = atomic_load_explicit(&announcement, memory_order_acquire);
        }
        while (now == seen) {
            atomic_fetch_add(&sleepers, 1);
            futex_wait(&announcement, seen);
            atomic_fetch_sub(&sleepers, 1);
            now = atomic_load_explicit(&announcement, memory_order_acquire);
        }
        seen = now;
        int threads = (int)(seen & 0x1ff);
        if (number >= threads) continue;
        take_indices(number, threads);
        atomic_fetch_sub_explicit(&workers_running, 1, memory_order_release);
    }
    return NULL;
}

static void start_workers(int wanted) {
    while (workers_started < wanted) {
        pthread_t thread;
        pthread_attr_t attributes;
        pthread_attr_init(&attributes);
        pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
        int failed = pthread_create(&thread, &attributes, worker, (void *)(intptr_t)(workers_started + 1));
        pthread_attr_destroy(&attributes);
        if (failed) break;  // fewer threads: slower, still correct
        workers_started++;
    }
}

static void run_serially(int64_t count, void (*task)(void *, int64_t), void *context) {
    for (int64_t index = 0; index < count; index++) task(context, index);
}

void sl_parallel(int64_t count, void (*task)(void *context, int64_t index), void *context) {
    int threads = sl_thread_count();
    if (threads > count) threads = (int)count;
    // A second caller does not wait for the pool: its results would be the same either way.
    if (threads <= 1 || inside_task || pthread_mutex_trylock(&pool_lock) != 0) {
        run_serially(count, task, context);
        return;
    }
    start_workers(threads - 1);
    if (threads - 1 > workers_started) threads = workers_started + 1;
    if (threads <= 1) {
        pthread_mutex_unlock(&pool_lock);
        run_serially(count, task, context);
        return;
    }
    current_job = (job){task, context};
    for (int number = 0; number < threads; number++) {
        atomic_store_explicit(&stretches[number].next, count * number / threads, memory_order_relaxed);
        stretches[number].end = count * (number + 1) / threads;
    }
    atomic_store_explicit(&workers_running, threads - 1, memory_order_relaxed);
    uint32_t jobs = atomic_load_explicit(&announcement, memory_order_relaxed) >> 9;
    atomic_store(&announcement, (jobs + 1) << 9 | (uint32_t)threads);
    if (atomic_load(&sleepers) > 0) futex_wake_all(&announcement);
    take_indices(0, threads);
    for (int round = 0; atomic_load_explicit(&workers_running, memory_order_acquire) > 0; round++) {
        if (round < SPIN_ROUNDS) relax();
        else sched_yield();
    }
    pthread_mutex_unlock(&pool_lock);
}

typedef struct ranges {
    void (*task)(void *, int64_t, int64_t);
    void *context;
    int64_t total, pieces;
} ranges;

static void run_range(void *context, int64_t index) {
    const ranges *r = context;
    r->task(r->context, r->total * index / r->pieces, r->total * (index + 1) / r->pieces);
}

void sl_parallel_ranges(
    int64_t total, int64_t grain, void (*task)(void *context, int64_t begin, int64_t end), void *context) {
    if (total <= 0) return;
    if (grain < 1) grain = 1;
    int64_t pieces = total / grain;
    // A few pieces per thread even out what other programs take from one core.
    int64_t most = (int64_t)sl_thread_count() * 4;
    if (pieces > most) pieces = most;
    if (pieces <= 1) {
        task(context, 0, total);
        return;
    }
    ranges r = {task, context, total, pieces};
    sl_parallel(pieces, run_range, &r);
}

typedef struct scratch {
    void *memory[SCRATCH_SLOTS];
    size_t size[SCRATCH_SLOTS];
} scratch;

static pthread_key_t scratch_key;
static pthread_once_t scratch_once = PTHREAD_ONCE_INIT;

static void free_scratch(void *value) {
    scratch *mine = value;
    for (int slot = 0; slot < SCRATCH_SLOTS; slot++) free(mine->memory[slot]);
    free(mine);
}

static void make_scratch_key(void) { pthread_key_create(&scratch_key, free_scratch); }

void *sl_thread_scratch(int slot, size_t bytes) {
    pthread_once(&scratch_once, make_scratch_key);
    scratch *mine = pthread_getspecific(scratch_key);
    if (!mine) {
        mine = calloc(1, sizeof *mine);
        if (!mine) abort();
        pthread_setspecific(scratch_key, mine);
    }
    if (mine->size[slot] < bytes) {
        // Large scratch in large pages, as many as it fills: packing walks it with long strides.
        size_t page = bytes > HUGE_PAGE / 2 ? HUGE_PAGE : SMALL_PAGE;
        size_t rounded = (bytes + SMALL_PAGE - 1) / SMALL_PAGE * SMALL_PAGE;
        free(mine->memory[slot]);
        if (posix_memalign(&mine->memory[slot], page, rounded)) {
            fprintf(stderr, "sparselora: out of memory (%zu bytes of kernel scratch)\n", rounded);
            abort();
        }
        if (page == HUGE_PAGE) madvise(mine->memory[slot], rounded, MADV_HUGEPAGE);
        mine->size[slot] = rounded;
    }
    return mine->memory[slot];
}
