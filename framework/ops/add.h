// y = a + b, both of one shape: a residual connection. Backward hands the adjoint of y on to both and copies
// nothing.
#pragma once
#include "framework/core/tape.h"

namespace adder::ops {

Var add(const Var& a, const Var& b);

}  // namespace adder::ops
