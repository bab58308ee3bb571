// The loss of a regression: squared error of numbers.
//   y (..., 1), targets (...) of any float type, labels (...) int32: where the label is ignore_index nothing is scored.
#pragma once
#include "framework/core/tape.h"

namespace adder::ops {

// The mean over the positions that are scored, rank 0; summed in double in their order. 0 with a gradient of 0 where
// there are none. Targets are constants.
Var mean_squared_error(const Var& y, const Tensor& targets, const Tensor& labels, int32_t ignore_index = -100);

// The squared error of each position, float64, of the labels' shape; 0 where ignored.
Tensor squared_errors(const Tensor& y, const Tensor& targets, const Tensor& labels, int32_t ignore_index = -100);

}  // namespace adder::ops
