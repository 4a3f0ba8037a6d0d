/// The machine's own ceilings, measured: what kernel timings are held against.
#ifndef SL_MEASURE_H
#define SL_MEASURE_H

#include <stddef.h>

#include "sl_types.h"

/// Floating-point operations per second of all threads together, for products of f32 or bf16 operands.
/// The mean over about `seconds`, not the best moment in them: what a kernel beside it is held against must suffer from
/// a busy machine as the kernel does.
double sl_measure_peak(sl_type type, double seconds);
/// Bytes per second that all threads together read and write while copying `bytes` (larger than any cache), in large
/// pages where the system has them. 0 where there is no memory for it.
double sl_measure_copy(size_t bytes);

#endif
