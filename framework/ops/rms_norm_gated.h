// Root mean square normalisation with a gate, over each of `groups` equal parts of the last axis (Mamba-2).
//   y = norm(x silu(z)) w, or, with norm_before_gate, y = norm(x) w silu(z);  norm(v) = v / sqrt(mean(v^2) + eps)
// x, z (..., n), w (n); y (..., n).
#pragma once
#include "framework/core/tape.h"

namespace adder::ops {

Var rms_norm_gated(const Var& x, const Var& z, const Var& w, int64_t groups = 1, double eps = 1e-5,
                   bool norm_before_gate = false);

}  // namespace adder::ops
