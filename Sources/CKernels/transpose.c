// Transposition in square tiles, so that reads and writes both use whole cache lines.
#include "include/sl_threads.h"
#include "include/sl_transpose.h"

enum { TILE = 32 };

typedef struct transposition {
    int64_t rows, columns;
    sl_matrix in, out;
} transposition;

#define TRANSPOSE_TILE(element)                                                            \
    do {                                                                                   \
        const element *in = (const element *)t->in.data;                                   \
        element *out = (element *)t->out.data;                                             \
        for (int64_t j = j0; j < j1; j++)                                                  \
            for (int64_t i = i0; i < i1; i++)                                              \
                out[j * t->out.stride + i] = in[i * t->in.stride + j];                     \
    } while (0)

/// Output rows TILE * begin ..< TILE * end.
static void transpose_range(void *context, int64_t begin, int64_t end) {
    const transposition *t = (const transposition *)context;
    for (int64_t tile = begin; tile < end; tile++) {
        int64_t j0 = tile * TILE;
        int64_t j1 = j0 + TILE < t->columns ? j0 + TILE : t->columns;
        for (int64_t i0 = 0; i0 < t->rows; i0 += TILE) {
            int64_t i1 = i0 + TILE < t->rows ? i0 + TILE : t->rows;
            if (t->in.type == SL_BF16)
                TRANSPOSE_TILE(uint16_t);
            else
                TRANSPOSE_TILE(float);
        }
    }
}

void sl_transpose(int64_t rows, int64_t columns, sl_matrix in, sl_matrix out) {
    transposition t = {.rows = rows, .columns = columns, .in = in, .out = out};
    sl_parallel_ranges((columns + TILE - 1) / TILE, 1, transpose_range, &t);
}
