// Views of a variable: no copy forward, and backward adds straight into the gradient of what is viewed.
#pragma once
#include "framework/core/tape.h"

namespace adder::ops {

// Elements [start, start + length) of one axis; a negative axis counts from the end. An error where they lie
// outside.
Var narrow(const Var& x, int axis, int64_t start, int64_t length);

// The last axis cut into parts of these sizes, which must add up to it.
std::vector<Var> split(const Var& x, const std::vector<int64_t>& sizes);

// The same elements in row-major order under another shape; copies where the strides of x allow no view.
Var reshape(const Var& x, const Shape& shape);

}  // namespace adder::ops
