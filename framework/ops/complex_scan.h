// The complex scan: h[b,t,n] = a[b,t,n] h[b,t-1,n] + b[b,t,n] over complex numbers, each a pair of real tensors.
// a (B,L,N), or (N) where it is the same at all times; b (B,L,N); h0 (B,N), the state before, or nothing: zero.
// h (B,L,N); last (B,N), the state to carry on. resets int32 (B,L) or nothing: not 0 where a document starts.
// Gradients for all of a, b, h0, through h and last. That of b is dL/dh_t with all that flows back to it.
#pragma once
#include "framework/core/tape.h"

namespace adder::ops {

struct ComplexScanInputs {
  Var a_re, a_im, b_re, b_im;
  Var h0_re{}, h0_im{};  // both or neither
  Tensor resets{};
};

struct ComplexScanResult {
  Var h_re, h_im, last_re, last_im;
};
ComplexScanResult complex_scan(const ComplexScanInputs& in);

}  // namespace adder::ops
