/// The C kernels: every inner loop of the package. No allocation in a call, no input or output.
///
/// Shape legend of all headers: T tokens (rows), D model width, F FFN width, H query heads, KV key-value heads,
/// K head width, R adapter rank, V vocabulary. Matrices are row-major; a *stride* counts elements, not bytes.
#ifndef CKERNELS_H
#define CKERNELS_H

#include "sl_types.h"
#include "sl_isa.h"
#include "sl_threads.h"
#include "sl_gemm.h"
#include "sl_measure.h"
#include "sl_ops.h"
#include "sl_attention.h"
#include "sl_dequantize.h"
#include "sl_transpose.h"

#endif
