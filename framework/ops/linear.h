// y = x w^T + b. x (..., k), w (n, k), b (n) or left out; y (..., n).
// Where w.multiplies_in_bf16() the operands of all three products (y, dx, dw) are rounded to bfloat16, to the nearest, ties to
// even, and summed in float32 (kernels/matmul/bf16.h); b, its gradient and everything that comes in or out stay float32.
// Where w keeps panels (Tensor::panels), a y of few rows is computed from them: faster to read, the same bits.
#pragma once
#include "framework/core/tape.h"

namespace adder::ops {

Var linear(const Var& x, const Var& w, const Var& b = {});

}  // namespace adder::ops
