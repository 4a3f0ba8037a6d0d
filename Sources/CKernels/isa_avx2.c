// Kernels for AVX2 and FMA: 16 registers of 8 floats.
#include "kernel_tables.h"

#include <stdint.h>
#include <string.h>

#include "sl_threads.h"

#if defined(__x86_64__)
#include <immintrin.h>
#define SL_SUFFIX avx2
#define SL_LANES 8
#define SL_HARDWARE_AVX512 0
#define SL_DOT 0
#define SL_HARDWARE_BF16 0
#define SL_ROW_STEP 6
#define SL_COLUMN_VECTORS 2
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#include "body/simd.inc"
#include "body/gemm.inc"
#include "body/math.inc"
#include "body/ops.inc"
#include "body/attention.inc"
#pragma clang attribute pop
#endif

