// A linear recurrence with one dense matrix for all steps, parallel over time (kernels/dense_scan/dense_scan.h).
//   h_t = a h_{t-1} + x_t
// a (N,N), x (B,L,N), L >= 1; h0 (B,N), the state before, or nothing: zero. h (B,L,N); last (B,N), the state to carry on.
// resets int32 (B,L) or nothing: not 0 where a document starts, and the state before it counts as 0.
#pragma once
#include "framework/core/tape.h"

namespace adder::ops {

struct DenseScanResult {
  Var h, last;
};
DenseScanResult dense_scan(const Var& a, const Var& x, const Var& h0 = {}, const Tensor& resets = {});

}  // namespace adder::ops
