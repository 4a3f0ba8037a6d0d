// Chooses the instruction set: once at first use, or when a test asks.
#include "sl_isa.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bf16_dot_product.h"

static const char *const names[SL_ISA_COUNT] = {"portable", "neon", "avx2", "avx512", "avx512bf16", "emulated-bf16"};
static atomic_int current = -1;
static _Thread_local int selected_by_this_thread = -1;
static char problem[240];

const char *sl_isa_name(sl_isa isa) { return isa >= 0 && isa < SL_ISA_COUNT ? names[isa] : "unknown"; }

bool sl_isa_available(sl_isa isa) {
#if defined(__x86_64__)
    if (isa == SL_ISA_AVX512_BF16) return sl_isa_announced(SL_ISA_AVX512) && sl_bf16_dot_product_works();
#endif
    return sl_isa_announced(isa);
}

bool sl_isa_announced(sl_isa isa) {
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
        return sl_isa_announced(SL_ISA_AVX512) && sl_bf16_dot_product_is_announced();
#endif
    default:
        return false;
    }
}

sl_isa sl_isa_fastest(bool announced) {
    static const sl_isa order[] = {SL_ISA_AVX512_BF16, SL_ISA_AVX512, SL_ISA_AVX2, SL_ISA_NEON};
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        if (!(announced ? sl_isa_announced(order[i]) : sl_isa_available(order[i]))) continue;
#if defined(__x86_64__)
        if (order[i] == SL_ISA_AVX512_BF16 && !sl_bf16_dot_product_is_faster()) continue;
#endif
        return order[i];
    }
    return SL_ISA_PORTABLE;
}

static sl_isa initial_choice(void) {
    const char *wanted = getenv("SPARSELORA_ISA");
    sl_isa best = sl_isa_fastest(true);
    if (!wanted || !*wanted) return best;
    for (int isa = 0; isa < SL_ISA_COUNT; isa++) {
        if (strcmp(wanted, names[isa]) != 0) continue;
        if (sl_isa_available((sl_isa)isa)) {
            if (!sl_isa_announced((sl_isa)isa))
                snprintf(problem, sizeof problem,
                         "SPARSELORA_ISA=%.32s: the processor executes it without announcing it; in a virtual machine "
                         "that moves to another host this program may end",
                         wanted);
            return (sl_isa)isa;
        }
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
