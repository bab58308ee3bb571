// The minimal GRU's recurrence from its pre-activations (kernels/min_gru/min_gru.h has the whole equation).
//   h[b,t,d] = (1 - z) h[b,t-1,d] + z c(v[b,t,d]),  z = sigmoid(k[b,t,d])
// k, v (B,L,D), L >= 1; h0 (B,D), the state before, or nothing: zero. h (B,L,D); last (B,D), the state to
// carry on.
// Candidate::linear: c(v) = v; Candidate::g: v + 1/2 where v >= 0, sigmoid(v) below.
// resets int32 (B,L) or nothing: not 0 where a document starts, and the state before it counts as 0.
#pragma once
#include "framework/core/tape.h"
#include "kernels/min_gru/min_gru.h"

namespace adder::ops {

using kernels::Candidate;

struct MinGruResult {
  Var h, last;
};
MinGruResult min_gru(const Var& k, const Var& v, const Var& h0 = {}, const Tensor& resets = {},
                     Candidate candidate = Candidate::linear);

}  // namespace adder::ops
