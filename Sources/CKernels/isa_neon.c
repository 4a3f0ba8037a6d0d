// Kernels for 64-bit Arm: 32 registers of 4 floats.
#include "kernel_tables.h"

#include <stdint.h>
#include <string.h>

#include "sl_threads.h"

#if defined(__aarch64__)
#define SL_SUFFIX neon
#define SL_LANES 4
#define SL_HARDWARE_AVX512 0
#define SL_DOT 0
#define SL_HARDWARE_BF16 0
#define SL_ROW_STEP 8
#define SL_COLUMN_VECTORS 2
#include "body/simd.inc"
#include "body/gemm.inc"
#include "body/math.inc"
#include "body/ops.inc"
#include "body/attention.inc"
#endif

