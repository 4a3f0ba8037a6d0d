// The AVX-512 bf16 body with its dot product in AVX2 arithmetic: for testing without that processor.
#include "kernel_tables.h"

#include <stdint.h>
#include <string.h>

#include "sl_threads.h"

#if defined(__x86_64__)
#include <immintrin.h>
#define SL_SUFFIX emulated_bf16
#define SL_LANES 16
#define SL_HARDWARE_AVX512 0
#define SL_DOT 1
#define SL_HARDWARE_BF16 0
#define SL_ROW_STEP 14
#define SL_COLUMN_VECTORS 2
// Everything below is inlined, so no 64-byte vector ever crosses a call.
#pragma clang diagnostic ignored "-Wpsabi"
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#include "body/simd.inc"
#include "body/gemm.inc"
#include "body/math.inc"
#include "body/ops.inc"
#include "body/attention.inc"
#pragma clang attribute pop
#endif

