// The rows of each matrix made orthonormal, one after another: thin QR of its transpose (kernels/qr/qr.h).
//   x (B,k,n), k <= n;  q (B,k,n), rows that span those of x;  log_r (B,k), the logarithm of what each row had left beyond
//   the span of those before it
// Gradients through both. Where the rows of x depend on one another log_r is minus infinity and q is not finite.
#pragma once
#include "framework/core/tape.h"

namespace adder::ops {

struct QrResult {
  Var q, log_r;
};
QrResult qr(const Var& x);

}  // namespace adder::ops
