// y[i] = weight[ids[i]]: ids (...) int32, weight (V, D), y (..., D). An id outside [0, V) is an error:
// `[embedding] ids[3] is 70, expected 0 to 64`. The weight's gradient adds in the order of the positions.
#pragma once
#include "framework/core/tape.h"

namespace adder::ops {

Var embedding(const Tensor& ids, const Var& weight);

}  // namespace adder::ops
