// y = x w^T + b. x (..., k), w (n, k), b (n) or left out; y (..., n).
#pragma once
#include "framework/core/tape.h"

namespace adder::ops {

Var linear(const Var& x, const Var& w, const Var& b = {});

}  // namespace adder::ops
