// A linear recurrence with a dense matrix for every step, parallel over time (kernels/affine_scan/affine_scan.h).
//   h_t = h_{t-1} a_t + x_t    rows times matrices
// a (B,L,N,N), x (B,L,N), L >= 1; h0 (B,N), the state before, or nothing: zero. h (B,L,N); last (B,N), the state to carry
// on. resets int32 (B,L) or nothing: not 0 where a document starts, and the state before it counts as 0.
#pragma once
#include "framework/core/tape.h"

namespace adder::ops {

struct AffineScanResult {
  Var h, last;
};
AffineScanResult affine_scan(const Var& a, const Var& x, const Var& h0 = {}, const Tensor& resets = {});

}  // namespace adder::ops
