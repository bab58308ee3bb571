// Numbers kept in half of the bytes: what attention leaves for later (Pass::bf16_cache).
#pragma once
#include "framework/core/tape.h"

namespace adder::ops {

// y = x, each number rounded as kernels/bfloat16.h says, and kept as such; x float32, of any shape. It has no gradient: an Error
// where x is recorded.
Var to_bfloat16(const Var& x);

}  // namespace adder::ops
