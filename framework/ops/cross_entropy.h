// The language model's loss, in nats: softmax and cross entropy over the last axis, fused.
//   logits (..., V), labels (...) int32, already shifted; a label outside [0, V) that is not ignore_index is
//   an error.
#pragma once
#include "framework/core/tape.h"

namespace adder::ops {

// The mean over the labels that are not ignore_index, rank 0; summed in double in the order of the positions.
// 0 with a gradient of 0 where every label is ignored: a window of padding then weighs nothing. Where nothing else holds
// the logits when backward comes, their gradient takes their place, and there is no second buffer of their size.
Var cross_entropy(const Var& logits, const Tensor& labels, int32_t ignore_index = -100);

// The same, and with it what a z-loss weighs: the mean of log(sum_v e^logits)^2 over the same labels, rank 0.
// Adding a small share of it to the loss keeps the softmax's normaliser near 1 (PaLM: 1e-4).
struct LossAndSquare {
  Var loss, log_z_square;
};
LossAndSquare cross_entropy_and_z(const Var& logits, const Tensor& labels, int32_t ignore_index = -100);

// The loss of each label, float64, of the labels' shape; 0 where ignored.
Tensor token_losses(const Tensor& logits, const Tensor& labels, int32_t ignore_index = -100);

}  // namespace adder::ops
