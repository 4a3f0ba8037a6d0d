// Kernels for any processor: plain C that the compiler vectorises as it can.
#include "kernel_tables.h"

#include <stdint.h>
#include <string.h>

#include "sl_threads.h"

#define SL_SUFFIX portable
#define SL_LANES 4
#define SL_HARDWARE_AVX512 0
#define SL_DOT 0
#define SL_HARDWARE_BF16 0
#define SL_ROW_STEP 4
#define SL_COLUMN_VECTORS 2
#include "body/simd.inc"
#include "body/gemm.inc"
#include "body/math.inc"
#include "body/ops.inc"
#include "body/attention.inc"

