// Chooses the instruction set: once at first use, or when a test asks.
#include "sl_isa.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel_tables.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

static const char *const names[SL_ISA_COUNT] = {"portable", "neon", "avx2", "avx512", "avx512bf16", "emulated-bf16"};
static atomic_int current = -1;
static _Thread_local int selected_by_this_thread = -1;
static char problem[160];

const char *sl_isa_name(sl_isa isa) { return isa >= 0 && isa < SL_ISA_COUNT ? names[isa] : "unknown"; }

#if defined(__x86_64__)
// The builtin knows "avx512bf16" only in newer compilers, so the bit is read directly: leaf 7, subleaf 1, EAX bit 5.
static bool processor_has_bf16_dot_product(void) {
    unsigned a, b, c, d;
    return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & (1u << 5));
}
#endif

bool sl_isa_available(sl_isa isa) {
    switch (isa) {
    case SL_ISA_PORTABLE:
        return true;
#if defined(__aarch64__)
    case SL_ISA_NEON:
        return true;
#endif
#if defined(__x86_64__)
    case SL_ISA_AVX2:
    case SL_ISA_EMULATED_BF16:
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    case SL_ISA_AVX512:
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")
            && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    case SL_ISA_AVX512_BF16:
        return sl_isa_available(SL_ISA_AVX512) && processor_has_bf16_dot_product();
#endif
    default:
        return false;
    }
}

static sl_isa best_available(void) {
    static const sl_isa order[] = {SL_ISA_AVX512_BF16, SL_ISA_AVX512, SL_ISA_AVX2, SL_ISA_NEON};
    for (size_t i = 0; i < sizeof order / sizeof *order; i++)
        if (sl_isa_available(order[i])) return order[i];
    return SL_ISA_PORTABLE;
}

static sl_isa initial_choice(void) {
    const char *wanted = getenv("SPARSELORA_ISA");
    sl_isa best = best_available();
    if (!wanted || !*wanted) return best;
    for (int isa = 0; isa < SL_ISA_COUNT; isa++) {
        if (strcmp(wanted, names[isa]) != 0) continue;
        if (sl_isa_available((sl_isa)isa)) return (sl_isa)isa;
        snprintf(problem, sizeof problem, "SPARSELORA_ISA=%.32s: this processor lacks it, using %s", wanted, names[best]);
        return best;
    }
    snprintf(problem, sizeof problem,
             "SPARSELORA_ISA=%.32s is unknown (portable, neon, avx2, avx512, avx512bf16, emulated-bf16), using %s",
             wanted, names[best]);
    return best;
}

sl_isa sl_isa_current(void) {
    if (selected_by_this_thread >= 0) return (sl_isa)selected_by_this_thread;
    int isa = atomic_load_explicit(&current, memory_order_acquire);
    if (isa >= 0) return (sl_isa)isa;
    sl_isa choice = initial_choice();
    int unset = -1;
    atomic_compare_exchange_strong(&current, &unset, (int)choice);
    return (sl_isa)atomic_load(&current);
}

bool sl_isa_select(sl_isa isa) {
    if (!sl_isa_available(isa)) return false;
    selected_by_this_thread = (int)isa;
    return true;
}

const char *sl_isa_problem(void) {
    sl_isa_current();
    return problem;
}
