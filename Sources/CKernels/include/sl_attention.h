/// Causal softmax attention over concatenated sequences, in tiles: the score matrix never exists.
#ifndef SL_ATTENTION_H
#define SL_ATTENTION_H

#include "sl_types.h"

/// Sequence s has queries query_starts[s] ..< query_starts[s+1] and key rows key_starts[s] ..< key_starts[s+1].
/// Query i sees the keys of its sequence at positions 0...query_positions[i] (positions count from the
/// sequence's first key and ascend within a sequence), and with `window` > 0 only the last `window` of them.
/// Whole training sequences, prompts against a cache, single decoding steps and a last layer that needs only some
/// query rows are all this one case.
typedef struct sl_attention_shape {
    int64_t sequences;
    const int32_t *query_starts;     ///< [sequences + 1]
    const int32_t *key_starts;       ///< [sequences + 1]
    const int32_t *query_positions;  ///< [queries]
    const int32_t *query_rows;       ///< [queries] the row of q, out and so on that each is; NULL: query i is row i
    int64_t heads, key_value_heads, head_width;  ///< head h reads key-value head h / (heads / key_value_heads)
    float scale;                     ///< multiplies q.k
    float softcap;                   ///< > 0: scores become softcap * tanh(score / softcap)
    int64_t window;                  ///< 0 = unlimited
} sl_attention_shape;

/// out [Tq, H*K]; `log_sum_exp` [Tq, H] f32 is kept for the backward (nullable when not needed).
void sl_attention(const sl_attention_shape *shape, sl_matrix q, sl_matrix k, sl_matrix v, sl_matrix out,
                  float *log_sum_exp);
/// dq, dk, dv from dout; overwritten, not accumulated. Rows of dq that are no query stay as they are. `delta` [Tq, H] f32 is
/// scratch.
void sl_attention_backward(const sl_attention_shape *shape, sl_matrix q, sl_matrix k, sl_matrix v, sl_matrix out,
                           const float *log_sum_exp, sl_matrix dout, float *delta, sl_matrix dq, sl_matrix dk,
                           sl_matrix dv);

#endif
