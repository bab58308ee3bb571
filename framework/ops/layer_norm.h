// y = (x - mean) / sqrt(variance + eps) * w + b over the last axis. x (..., n), w (n), b (n) or left out.
// Ba, Kiros & Hinton, 2016.
#pragma once
#include "framework/core/tape.h"

namespace adder::ops {

Var layer_norm(const Var& x, const Var& w, const Var& b = {}, double eps = 1e-5);

}  // namespace adder::ops
