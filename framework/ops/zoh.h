// A diagonal state space sampled by zero-order hold (kernels/zoh/zoh.h has the equation).
//   a = exp(dt A),  b = (exp(dt A) - 1) / A
// dt (channels), A_re and A_im (channels, state), A not 0. Without A_im all is real, and a_im, b_im are undefined.
#pragma once
#include "framework/core/tape.h"

namespace adder::ops {

struct ZohResult {
  Var a_re, a_im, b_re, b_im;  // (channels, state)
};
ZohResult zoh(const Var& dt, const Var& A_re, const Var& A_im = {});

}  // namespace adder::ops
