// A factor for each column, y[..., c] = x[..., c] s[c], or for each row of a matrix, y[r, c] = x[r, c] s[r].
#pragma once
#include "framework/core/tape.h"

namespace adder::ops {

Var scale_columns(const Var& x, const Var& s);  // x (..., n), s (n)
Var scale_rows(const Var& x, const Var& s);     // x (r, n), s (r)

}  // namespace adder::ops
