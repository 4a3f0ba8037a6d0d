/// The thread pool: workers spin briefly, then sleep on a futex, so a task of a few microseconds still gains.
#ifndef SL_THREADS_H
#define SL_THREADS_H

#include <stddef.h>
#include <stdint.h>

/// Threads that a parallel call uses, the caller included: the processors this process may run on,
/// or SPARSELORA_THREADS.
int sl_thread_count(void);
/// What the count is limited to.
enum { SL_MOST_THREADS = 256 };
/// Changes the count (1 to SL_MOST_THREADS). Not while kernels run.
void sl_set_thread_count(int count);

/// Runs `task(context, index)` for every index in 0..<count, spread over the pool; returns when all are done.
/// Every thread begins with its own stretch of the indices and then takes those that others have not begun, so a task's
/// result must not depend on which thread runs it.
/// A call from inside a task runs serially on that thread.
void sl_parallel(int64_t count, void (*task)(void *context, int64_t index), void *context);

/// Runs `task(context, begin, end)` over 0..<total cut into contiguous ranges of about `grain` or more.
void sl_parallel_ranges(
    int64_t total, int64_t grain, void (*task)(void *context, int64_t begin, int64_t end), void *context);

/// Scratch of the calling thread, 64-byte aligned, kept for the thread's life and grown on demand (a steady
/// state therefore allocates nothing). `slot` separates users that nest: 0 GEMM, 1 attention, 2 others.
void *sl_thread_scratch(int slot, size_t bytes);

#endif
