/// Transposition of whole matrices, for weights that are stored the other way round than they are used.
#ifndef SL_TRANSPOSE_H
#define SL_TRANSPOSE_H

#include "sl_types.h"

/// out[j, i] = in[i, j] for in [rows, columns]; both of one type, not overlapping. Split over the pool.
void sl_transpose(int64_t rows, int64_t columns, sl_matrix in, sl_matrix out);

#endif
