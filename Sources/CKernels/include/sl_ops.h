/// Everything between the matrix products. Arithmetic is f32 whatever the storage type; forward and backward
/// stand side by side. Outputs never alias inputs unless a comment says so. All are split over the pool by rows
/// in a way that leaves results independent of the thread count.
#ifndef SL_OPS_H
#define SL_OPS_H

#include "sl_types.h"

/// y = x / rms(x) * (weight + offset), rms = sqrt(mean(x^2) + epsilon). `inverse_rms` [T] is kept for the backward.
/// weight is f32 [D]; offset is 0 (Llama) or 1 (Gemma). x and y may have different types.
void sl_rms_norm(int64_t rows, int64_t width, sl_matrix x, const float *weight, float offset, float epsilon,
                 sl_matrix y, float *inverse_rms);
/// dx (+)= gradient of sl_rms_norm with respect to x. dx may alias dy when `accumulate` is false.
void sl_rms_norm_backward(int64_t rows, int64_t width, sl_matrix x, const float *weight, float offset,
                          const float *inverse_rms, sl_matrix dy, sl_matrix dx, bool accumulate);

/// Rotates pairs (d, d + rotary_width/2) of every head in place by the angle of the row's position.
/// `cosines`/`sines` are [positions, rotary_width/2] f32; `direction` +1 rotates forward, -1 back (the pullback).
/// Columns at or past rotary_width of a head stay as they are.
void sl_rotary(int64_t rows, int64_t heads, int64_t head_width, int64_t rotary_width, sl_matrix x,
               const int32_t *positions, const float *cosines, const float *sines, float direction);

typedef enum sl_activation { SL_SILU = 0, SL_GELU_TANH = 1 } sl_activation;

/// out = activation(gate) * up, elementwise [rows, width]. out may alias gate or up. With `chosen` [rows] row i of out is
/// made of row chosen[i] of gate and up, which out must not alias then.
void sl_gated(int64_t rows, int64_t width, sl_activation activation, const int32_t *chosen, sl_matrix gate,
              sl_matrix up, sl_matrix out);
/// dgate = dout * up * activation'(gate), dup = dout * activation(gate), with `chosen` as above. dgate/dup may alias
/// dout, and gate/up where nothing is chosen.
void sl_gated_backward(int64_t rows, int64_t width, sl_activation activation, const int32_t *chosen, sl_matrix gate,
                       sl_matrix up, sl_matrix dout, sl_matrix dgate, sl_matrix dup);

/// out[i] = scale * table[indices[i]]; indices must be in range (the caller has checked).
void sl_gather_rows(int64_t rows, int64_t width, sl_matrix table, const int32_t *indices, float scale, sl_matrix out);
/// out[indices[i]] (+)= rows[i]; indices distinct.
void sl_scatter_rows(int64_t rows, int64_t width, sl_matrix in, const int32_t *indices, sl_matrix out, bool accumulate);
/// out[i] = the sum of in[members[j]] over j in starts[i] ..< starts[i + 1], in that order, in f32 and rounded once.
void sl_sum_rows(int64_t rows, int64_t width, sl_matrix in, const int32_t *starts, const int32_t *members, sl_matrix out);

/// out = a + b; out may alias either.
void sl_add(int64_t rows, int64_t width, sl_matrix a, sl_matrix b, sl_matrix out);
/// out = scale * x (copies, converts between types); out may alias x when the types are equal.
void sl_scale(int64_t rows, int64_t width, float scale, sl_matrix x, sl_matrix out);
void sl_fill(int64_t rows, int64_t width, float value, sl_matrix out);
/// out[j] (+)= sum over i of x[indices[i], j], or of its square; `indices` NULL takes rows 0 ..< rows. Fixed order.
void sl_column_sums(int64_t rows, int64_t width, sl_matrix x, const int32_t *indices, bool squared, float *out,
                    bool accumulate);

/// out[i] = sum over j of x[indices[i], j] squared; `indices` NULL takes rows 0 ..< rows.
void sl_squared_row_sums(int64_t rows, int64_t width, sl_matrix x, const int32_t *indices, float *out);

/// out = keep(i, j) ? x / (1 - rate) : 0 with keep decided by a hash of (seed, i * width + j), so that the backward
/// is the same call on the gradient. out may alias x.
void sl_dropout(int64_t rows, int64_t width, float rate, uint64_t seed, sl_matrix x, sl_matrix out);

/// Softmax cross-entropy of logits hidden * head^T that come a block of columns at a time, so that they never exist all
/// at once. Column blocks go from first_column 0 upwards; every block [rows, columns] f32 adds to `state`
/// [rows, SL_LOSS_STATE]: the largest z so far, the sum of exp(z - largest), and z and dz/dlogit of the label, with
/// z = softcap > 0 ? softcap * tanh(logit / softcap) : logit. Rows with a negative label are skipped.
/// With `sums` (f32 [rows, width], data NULL for losses alone) the logits become exp(z - largest) * dz/dlogit, and the
/// caller adds their product with the block's rows of the head to `sums`, which is started and, where a larger z
/// turns up, scaled here.
enum { SL_LOSS_STATE = 4 };
void sl_cross_entropy_block(int64_t rows, int64_t columns, int64_t first_column, sl_matrix logits,
                            const int32_t *labels, float softcap, float *state, int64_t width, sl_matrix sums);
/// After a block with `sums`: peaks[j] is the largest share that column j has of the sum so far of any labelled row. No
/// row's probability of that word is larger.
void sl_cross_entropy_peaks(int64_t rows, int64_t columns, sl_matrix logits, const int32_t *labels,
                            const float *state, float *peaks);
/// After the last block: loss[i] = logsumexp(z) - z[labels[i]], 0 for labels[i] < 0; and with `gradient`
/// [rows, width] (data NULL for losses alone; it may be `sums`) d(gradient_scale * loss)/dhidden. `head` [V, width].
void sl_cross_entropy_end(int64_t rows, const int32_t *labels, const float *state, float *loss, int64_t width,
                          sl_matrix sums, sl_matrix head, float gradient_scale, sl_matrix gradient);

/// AdamW with decoupled weight decay, bias corrections given: p -= lr * (m_hat / (sqrt(v_hat) + epsilon) + decay * p)
/// after m, v were updated with gradient * gradient_scale. All f32 [count].
typedef struct sl_adamw_settings {
    float learning_rate, beta1, beta2, epsilon, weight_decay;
    float bias_correction1, bias_correction2;  ///< 1 - beta^step
    float gradient_scale;                      ///< clipping factor folded in
} sl_adamw_settings;
void sl_adamw(int64_t count, float *parameter, const float *gradient, float *first_moment, float *second_moment,
              const sl_adamw_settings *settings);

/// Sum of squares in double, fixed order; NaN and infinity propagate (how non-finite gradients are found).
double sl_sum_of_squares(int64_t count, const float *x);
/// Index of the largest value, lowest index on ties.
int64_t sl_argmax(int64_t count, const float *x);
/// The positions of values of at least `threshold`, ascending; returns how many. `kept` has room for `count`.
int64_t sl_select_at_least(int64_t count, const float *x, float threshold, int32_t *kept);
/// Splits 0 ..< count into the `kept_count` (0 ... count) positions of the largest values and the others, both
/// ascending. Of equal values the lower position is larger; -0 equals 0; NaN is below everything.
void sl_select_largest(int64_t count, const float *x, int64_t kept_count, int32_t *kept, int32_t *rest);

#endif
