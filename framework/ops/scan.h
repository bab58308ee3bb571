// The scan as a differentiable primitive: h[b,t,d] = a[b,t,d] h[b,t-1,d] + b[b,t,d].
// a, b (B,L,D); h0 (B,D), the state before, or nothing: zero. h (B,L,D); last (B,D), the state to carry on.
// reverse: from the end to the start, h[b,t] = a[b,t] h[b,t+1] + b[b,t]; h0 enters at t = L-1, last is h[b,0].
// resets int32 (B,L) or nothing: not 0 at t where a document starts; no state crosses from t-1 to t, in reverse
// from t to t-1. So resets[b,0] cuts h0 off forward; in reverse nothing does.
// Gradients for a, b, h0, through h and last. That of b is dL/dh_t with all that flows back to it: watch b to
// see it.
#pragma once
#include "framework/core/tape.h"

namespace adder::ops {

struct ScanResult {
  Var h, last;
};
ScanResult scan(const Var& a, const Var& b, const Var& h0 = {}, const Tensor& resets = {},
                bool reverse = false);

}  // namespace adder::ops
