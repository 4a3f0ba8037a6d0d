/// Matrix products with row selection: C[M,N] (+)= sum over products of scale * L[M,K] R[N,K]^T.
#ifndef SL_GEMM_H
#define SL_GEMM_H

#include "sl_types.h"

/// One side of a product, addressed as (outer, depth): outer is a row (left) or column (right) of the output,
/// depth is summed over. One of the two strides must be 1, so both W and W^T are read in place.
/// An index array gathers while packing: element (o, d) is read at
/// data[(outer_index ? outer_index[o] : o) * outer_stride + (depth_index ? depth_index[d] : d) * depth_stride].
/// `rounds`: a left operand in f32 may be rounded to bf16 for the sake of speed.
typedef struct sl_operand {
    const void *data;
    sl_type type;
    int64_t outer_stride;
    int64_t depth_stride;
    const int32_t *outer_index;
    const int32_t *depth_index;
    bool rounds;
} sl_operand;

/// `scale` multiplies the left operand while it is packed.
typedef struct sl_product {
    sl_operand left;
    sl_operand right;
    int64_t depth;
    float scale;
} sl_product;

/// Where the result goes: element (i, j) at data[row(i) * stride + column(j)], row and column through the index
/// arrays when given (scatter; indices must be distinct). `bias` is one float per output column, added once.
/// With `accumulate` the result is added to what is there.
typedef struct sl_output {
    void *data;
    sl_type type;
    int64_t stride;
    const int32_t *row_index;
    const int32_t *column_index;
    const float *bias;
    bool accumulate;
} sl_output;

/// One matrix product of several: the arguments of `sl_gemm`.
typedef struct sl_gemm_call {
    int64_t rows, columns;
    const sl_product *products;
    int product_count;
    const sl_output *output;
} sl_gemm_call;

/// Computes products that do not depend on each other, those of few rows (decoding) in one go of all threads.
void sl_gemm_together(const sl_gemm_call *calls, int count);

/// Computes the sum of `product_count` products (at least 1) in one pass over the output, f32 accumulation.
/// Where the processor has bf16 dot products, they multiply a left operand in bf16, or one in f32 that `rounds` beside a
/// right one in bf16; every f32 operand of such a sum is rounded to bf16. Everything else is widened to f32. The order of
/// every sum depends on the shape and instruction set alone, never on the thread count. A product of depth 0
/// contributes nothing.
void sl_gemm(int64_t rows, int64_t columns, const sl_product *products, int product_count,
             const sl_output *output);

#endif
