// y = x where an element is kept, scaled by 1 / (1 - p), and 0 elsewhere. x of any shape; p = 0 gives x
// itself. Element i, in row-major order, is dropped with probability p as stream.bits(i) decides: no thread,
// order or history changes a mask, and whoever makes the stream (purpose, layer, step) can draw it again. p
// outside [0, 1) is an error.
#pragma once
#include "framework/core/random.h"
#include "framework/core/tape.h"

namespace adder::ops {

Var dropout(const Var& x, double p, const Random& stream);

}  // namespace adder::ops
