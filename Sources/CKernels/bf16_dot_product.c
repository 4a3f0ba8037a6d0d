// Finds out by asking, trying and timing what this processor does with vdpbf16ps.
#define _GNU_SOURCE
#include "bf16_dot_product.h"

#if defined(__x86_64__)

#include <cpuid.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <time.h>

#include "kernel_tables.h"

// The compiler's builtin knows "avx512bf16" only in newer versions, so the bit is read directly: leaf 7, subleaf 1,
// EAX bit 5.
bool sl_bf16_dot_product_is_announced(void) {
    unsigned a, b, c, d;
    return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & (1u << 5));
}

static sigjmp_buf refused;
static _Thread_local volatile sig_atomic_t is_trying;
static bool works;

static void on_illegal_instruction(int number) {
    if (is_trying) siglongjmp(refused, 1);
    // Another thread's own fault in these microseconds: it meets it again, with nobody in the way.
    signal(number, SIG_DFL);
}

static bool result_is_right(void) {
    uint32_t ones[16];
    float sums[16] = {0};
    for (int i = 0; i < 16; i++) ones[i] = 0x3f803f80u;  // two ones in bf16
    __asm__ volatile("vmovups %1, %%zmm1\n\t"
                     "vpxord %%zmm0, %%zmm0, %%zmm0\n\t"
                     "vdpbf16ps %%zmm1, %%zmm1, %%zmm0\n\t"
                     "vmovups %%zmm0, %0"
                     : "=m"(sums)
                     : "m"(ones)
                     : "xmm0", "xmm1");
    for (int i = 0; i < 16; i++)
        if (sums[i] != 2) return false;
    return true;
}

// The instruction has no state of its own beyond AVX-512's, so a processor that executes it once always does.
static void try_it(void) {
    if (sl_bf16_dot_product_is_announced()) {
        works = true;
        return;
    }
    struct sigaction trial = {.sa_handler = on_illegal_instruction}, before;
    sigemptyset(&trial.sa_mask);
    if (sigaction(SIGILL, &trial, &before) != 0) return;
    is_trying = 1;
    if (sigsetjmp(refused, 1) == 0) works = result_is_right();
    is_trying = 0;
    sigaction(SIGILL, &before, NULL);
}

bool sl_bf16_dot_product_works(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, try_it);
    return works;
}

static double rate(bool dot) {
    struct timespec begin, end;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    double operations = sl_gemm_avx512_bf16.peak(dot, 200);
    clock_gettime(CLOCK_MONOTONIC, &end);
    double seconds = (double)(end.tv_sec - begin.tv_sec) + 1e-9 * (double)(end.tv_nsec - begin.tv_nsec);
    return operations / (seconds > 1e-9 ? seconds : 1e-9);
}

static bool faster;

static void time_it(void) {
    double with = 0, without = 0;
    // The best of each: an interruption can only slow one down.
    for (int i = 0; i < 8; i++) {
        double now = rate(true);
        if (now > with) with = now;
        now = rate(false);
        if (now > without) without = now;
    }
    faster = with > without;
}

bool sl_bf16_dot_product_is_faster(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, time_it);
    return faster;
}

#endif
