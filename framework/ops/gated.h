// Gated linear units, element by element.
#pragma once
#include "framework/core/tape.h"

namespace adder::ops {

// y = silu(gate) up, both of one shape.
Var swiglu(const Var& gate, const Var& up);

// y = a sigmoid(b), where a and b are the halves of the last axis of x: x (..., 2n), y (..., n).
Var glu(const Var& x);

}  // namespace adder::ops
