// Causal depthwise convolution over time, with carried inputs and an optional SiLU.
//   y[b,t,d] = act(bias[d] + sum_k w[d,k] x[b,t-K+1+k,d]): the last tap meets the present.
// x (B,L,D), w (D,K), bias (D) or nothing, x0 (B,K-1,D) the inputs before x, or nothing: zeros.
// resets int32 (B,L) or nothing: not 0 where a document starts; inputs before it count as 0 from there on.
// last (B,K-1,D) is the x0 of what follows. Where L < K-1 it still holds part of x0; with K = 1 it is empty.
#pragma once
#include "framework/core/tape.h"

namespace adder::ops {

struct ConvResult {
  Var y, last;
};
ConvResult causal_conv1d(const Var& x, const Var& w, const Var& bias, const Var& x0, const Tensor& resets,
                         bool silu);

}  // namespace adder::ops
