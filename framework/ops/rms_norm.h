// y = x / sqrt(mean(x^2) + eps) * w over the last axis. x (..., n), w (n). Zhang & Sennrich, 2019.
#pragma once
#include "framework/core/tape.h"

namespace adder::ops {

Var rms_norm(const Var& x, const Var& w, double eps = 1e-5);

}  // namespace adder::ops
