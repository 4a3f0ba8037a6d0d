/// Element types that kernels read and write.
#ifndef SL_TYPES_H
#define SL_TYPES_H

#include <stdbool.h>
#include <stdint.h>

/// bf16 is carried as uint16_t: compilers lower `__bf16` values to runtime symbols that older systems lack.
typedef enum sl_type {
    SL_F32 = 0,
    SL_BF16 = 1,
} sl_type;

/// Bytes of an element.
static inline int64_t sl_element_size(sl_type type) { return type == SL_BF16 ? 2 : 4; }

/// A row-major matrix in memory: `rows` pointers are `data + row * stride` elements of `type`.
typedef struct sl_matrix {
    void *data;
    sl_type type;
    int64_t stride;
} sl_matrix;

#endif
